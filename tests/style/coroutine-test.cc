// GCC 12.2 miscompiles two shapes in an expression with co_await (an aggregate temporary is destroyed twice; so is a
// lambda's captured state) and rejects a third (an initializer list). All three show as a brace or a capture between
// co_await and the end of its expression, which this test looks for. The cure is always the same: name it first.
// It also destroys twice what a co_await is given within a conditional expression: write an if.
#include <gtest/gtest.h>

#include "tests/style/source-tree.h"

namespace rhea::style {
namespace {

bool isWord(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

char lastBefore(std::string_view text, std::size_t offset) {
  while (offset > 0) {
    if (const char c = text[--offset]; std::isspace(static_cast<unsigned char>(c)) == 0) {
      return c;
    }
  }
  return '\0';
}

// Offset of the bracket that closes the one at `open`, or the end of the text.
std::size_t closing(std::string_view text, std::size_t open) {
  int depth = 0;
  for (std::size_t i = open; i < text.size(); ++i) {
    if (text[i] == '(' || text[i] == '[' || text[i] == '{') {
      ++depth;
    } else if (text[i] == ')' || text[i] == ']' || text[i] == '}') {
      if (--depth == 0) {
        return i;
      }
    }
  }
  return text.size();
}

// What is wrong in the expression that begins at `begin` (behind co_await); empty when nothing is.
std::string wrongShape(std::string_view text, std::size_t begin) {
  int depth = 0;
  for (std::size_t i = begin; i < text.size(); ++i) {
    const char c = text[i];
    const char before = lastBefore(text, i);
    if (c == '[' && !isWord(before) && before != ']' && before != ')') {  // a lambda, not a subscript
      const std::size_t end = closing(text, i);
      if (text.substr(i + 1, end - i - 1).find_first_not_of(" \n") != std::string_view::npos) {
        return "a capturing lambda inside a co_await expression: GCC 12 miscompiles it; name the lambda first";
      }
      const std::size_t body = text.find('{', end);  // what the body holds is looked at for itself
      i = body == std::string_view::npos ? text.size() : closing(text, body);
    } else if (c == '{') {
      return isWord(before) || before == '>'
                 ? "a braced temporary inside a co_await expression: GCC 12 miscompiles aggregates there; use a "
                   "constructor "
                   "call, or name it first"
                 : "an initializer list inside a co_await expression: GCC 12 does not compile it; name it first";
    } else if (c == '(' || c == '[') {
      ++depth;
    } else if (c == ')' || c == ']' || c == '}') {
      if (--depth < 0) {
        return {};
      }
    } else if (c == ';' || (c == ',' && depth == 0)) {
      return {};
    }
  }
  return {};
}

// Whether the co_await at `at` stands behind the '?' or the ':' of a conditional expression.
bool inConditional(std::string_view text, std::size_t at) {
  int depth = 0;
  for (std::size_t i = at; i-- > 0;) {
    const char c = text[i];
    if (c == ')' || c == ']') {
      ++depth;
    } else if (c == '(' || c == '[') {
      --depth;  // outwards: an argument of a call within a conditional counts as well
    } else if (c == ';' || c == '{' || c == '}') {
      return false;
    } else if (c == '?' && depth <= 0) {
      return true;
    }
  }
  return false;
}

// `if (co_await x) {` must not count its block, so the scan ends at the parenthesis that encloses the co_await.
Findings checkCoroutines(const SourceFile& file) {
  Findings findings;
  const std::string text = withoutCommentsAndStrings(file.text);
  constexpr std::string_view kWord = "co_await";
  for (std::size_t at = text.find(kWord); at != std::string::npos; at = text.find(kWord, at + 1)) {
    const bool whole = (at == 0 || !isWord(text[at - 1])) && !isWord(text[at + kWord.size()]);
    const bool isOperator = text.substr(0, at).ends_with("operator ");
    if (!whole || isOperator) {
      continue;
    }
    if (inConditional(text, at)) {
      findings.push_back(file.path + ":" + std::to_string(lineOf(text, at)) +
                         ": co_await within a conditional expression: GCC 12 miscompiles it; write an if");
    }
    if (const std::string wrong = wrongShape(text, at + kWord.size()); !wrong.empty()) {
      findings.push_back(file.path + ":" + std::to_string(lineOf(text, at)) + ": " + wrong);
    }
  }
  return findings;
}

TEST(Coroutines, NoShapeThatTheCompilerGetsWrong) {
  Findings findings;
  for (const SourceFile& file : sourceFiles()) {
    if (isCode(file.path) && !file.path.starts_with("tests/style/")) {
      std::ranges::move(checkCoroutines(file), std::back_inserter(findings));
    }
  }
  EXPECT_TRUE(findings.empty()) << report(findings);
}

TEST(CoroutinesCheck, FindsEachBadShape) {
  const auto count = [](std::string text) { return checkCoroutines({"a.cc", std::move(text) + "\n"}).size(); };
  EXPECT_EQ(count("co_await read(Extent{0, 512}, to);"), 1U);
  EXPECT_EQ(count("co_await read(std::vector<int>{1}, to);"), 1U);
  EXPECT_EQ(count("auto x = co_await run([this] { return 1; });"), 1U);
  EXPECT_EQ(count("auto x = co_await run(\n    [&a, b](int c) { return c; });"), 1U);
  EXPECT_EQ(count("co_await all({one(), two()});"), 1U);
  EXPECT_EQ(count("RHEA_CO_TRY(auto x, co_await read(Extent{0, 1}));"), 1U);
  EXPECT_EQ(count("x = good ? co_await read(to) : Result<void>(bad);"), 1U);
  EXPECT_EQ(count("x = bad ? none : co_await read(to);"), 1U);
}

TEST(CoroutinesCheck, LetsGoodShapesPass) {
  const auto count = [](std::string text) { return checkCoroutines({"a.cc", std::move(text) + "\n"}).size(); };
  EXPECT_EQ(count("co_await read(Extent(0, 512), to[1], map[key]);"), 0U);
  EXPECT_EQ(count("if (co_await ready()) { go(Extent{1, 2}); }"), 0U);
  EXPECT_EQ(count("for (;;) { co_await x; } Extent{1, 2};"), 0U);
  EXPECT_EQ(count("co_await run([](int a) { return Pair{a, a}; }, b);"), 0U);
  EXPECT_EQ(count("// co_await read(Extent{0, 1});"), 0U);
  EXPECT_EQ(count("co_await read(to, wide ? 2 : 1); f(a ? b : c); co_await x;"), 0U);
  EXPECT_EQ(count("log(\"co_await f({\");"), 0U);
  EXPECT_EQ(count("auto name = [this] { return 1; }; co_await run(name);"), 0U);
  EXPECT_EQ(count("auto operator co_await() { return Awaiter{this}; }"), 0U);
}

}  // namespace
}  // namespace rhea::style
