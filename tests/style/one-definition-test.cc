// A type of one name in two files of one namespace is undefined behaviour that no compiler reports: the linker keeps
// one copy of each inline member function, and the other type's objects are built and destroyed by it. It shows only
// where functions are not inlined, as a crash far away.
#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>

#include "tests/style/source-tree.h"

namespace rhea::style {
namespace {

// Qualified names of the types that have external linkage and are defined in `text`.
std::vector<std::string> definedTypes(std::string_view source) {
  static const std::regex token(
      R"((namespace(?:\s+([\w:]+))?\s*\{)|(\b(?:struct|class|enum\s+class|enum|union)\s+([A-Za-z_]\w*)(?:\s+final)?(?:\s*:(?!:)[^;{}()]*)?\s*\{)|(\{)|(\}))");
  const std::string text = withoutCommentsAndStrings(source);
  std::vector<std::string> found;
  std::vector<std::string> open;  // empty: a block that is neither a namespace nor a type
  bool hidden = false;            // within such a block, or an unnamed namespace
  std::vector<bool> before;
  for (std::sregex_iterator at(text.begin(), text.end(), token), end; at != end; ++at) {
    const std::smatch& match = *at;
    if (match[6].matched) {
      if (open.empty()) continue;
      open.pop_back();
      hidden = before.back();
      before.pop_back();
      continue;
    }
    before.push_back(hidden);
    const std::string name = match[1].matched ? match[2].str() : match[3].matched ? match[4].str() : std::string();
    if (match[3].matched && !hidden) {
      std::string whole;
      for (const std::string& part : open) whole += part + "::";
      found.push_back(whole + name);
    }
    if (name.empty()) hidden = true;
    open.push_back(name);
  }
  return found;
}

Findings secondDefinitions(const std::vector<SourceFile>& files) {
  std::map<std::string, std::set<std::string>> places;
  for (const SourceFile& file : files) {
    if (!isCode(file.path)) continue;
    for (const std::string& type : definedTypes(file.text)) places[type].insert(file.path);
  }
  Findings findings;
  for (const auto& [type, where] : places) {
    if (where.size() < 2) continue;
    std::string all;
    for (const std::string& path : where) all += (all.empty() ? "" : ", ") + path;
    findings.push_back(all + ": each defines a type " + type + "; name one of them differently");
  }
  return findings;
}

TEST(OneDefinition, EachTypeHasOne) {
  const Findings findings = secondDefinitions(sourceFiles());
  EXPECT_TRUE(findings.empty()) << report(findings);
}

TEST(OneDefinitionCheck, FindsASecondOneAndLetsOthersPass) {
  const auto count = [](const std::string& one, const std::string& other) {
    return secondDefinitions({{"a.h", one}, {"b.h", other}}).size();
  };
  const std::string wish = "namespace rhea::block {\nstruct Wish {\n  int a;\n};\n}\n";
  EXPECT_EQ(count(wish, wish), 1U);
  EXPECT_EQ(count(wish, "namespace rhea {\nnamespace block {\nclass Wish final : public Base {};\n}\n}\n"), 1U);
  EXPECT_EQ(count(wish, "namespace rhea::qapi {\nstruct Wish {};\n}\n"), 0U);
  EXPECT_EQ(count(wish, "namespace rhea::block {\nnamespace {\nstruct Wish {};\n}\n}\n"), 0U);
  EXPECT_EQ(count(wish, "namespace rhea::block {\nstruct Wish;\nvoid f() { struct Wish {}; }\n}\n"), 0U);
  EXPECT_EQ(count(wish, "namespace rhea::block {\nstruct Other {\n  struct Wish {};\n};\n}\n"), 0U);
  EXPECT_EQ(count(wish, "namespace rhea::block {\nstruct Wish::Part {};\n}\n"), 0U);
}

}  // namespace
}  // namespace rhea::style
