#include "monitor/human/form-table.h"

#include <cmath>

#include "emu/base/json-writer.h"
#include "emu/base/keyval.h"
#include "emu/base/names.h"
#include "emu/base/size.h"

namespace rhea::monitor {

namespace {

bool sameWords(std::span<const std::string_view> literals, std::span<const Word> words) {
  return std::ranges::equal(literals, words,
                            [](std::string_view literal, const Word& word) { return literal == word.text; });
}

bool startsWith(const HumanForm& form, std::span<const Word> words) {
  const std::size_t count = form.words.size();
  if (count > words.size() || !sameWords(form.words.first(count - 1), words.first(count - 1))) return false;
  const std::string& last = words[count - 1].text;
  return form.words.back() == last || std::ranges::find(form.aliases, last) != form.aliases.end();
}

// Whether a number of the C library's reading took all of `text`, which may hold a NUL.
bool endsAt(const std::string& text, const char* end) { return end == text.data() + text.size(); }

Error usageError(const HumanForm& form, std::string message) {
  return Error(std::move(message)).hint(fmt::format("usage: {}", form.usage));
}

// Turns the words behind a form's own into members of a JSON object.
class ArgumentReader {
 public:
  ArgumentReader(const HumanForm& form, std::string_view line, std::span<const Word> words)
      : form_(form), line_(line), words_(words) {
    writer_.beginObject();
  }

  Result<json::Text> read() {
    if (!form_.fixed.empty()) {
      RHEA_TRY(const json::Value fixed, json::parse(form_.fixed));
      for (const json::Member& member : fixed.members()) {
        writer_.key(member.key);
        writer_.value(member.value);
      }
    }
    RHEA_CHECK(readFlags());
    for (const HumanArgument& argument : form_.arguments) {
      if (argument.flag != 0) continue;
      RHEA_CHECK(readPositional(argument));
      RHEA_CHECK(readFlags());
    }
    if (at_ < words_.size()) {
      return usageError(form_, fmt::format("'{}' takes no further argument: '{}'", name(), words_[at_].text));
    }
    writer_.endObject();
    return writer_.take();
  }

 private:
  std::string name() const {
    std::string text;
    for (const std::string_view word : form_.words) text.append(text.empty() ? "" : " ").append(word);
    return text;
  }

  const HumanArgument* flag(char letter) const {
    for (const HumanArgument& argument : form_.arguments) {
      if (argument.flag == letter && letter != 0) return &argument;  // 0 marks what stands by its place
    }
    return nullptr;
  }

  // "-v", "-nv"; a word that is only known as a positional argument ("-1") is left alone.
  Result<void> readFlags() {
    while (at_ < words_.size() && !words_[at_].quoted && words_[at_].text.size() > 1 && words_[at_].text[0] == '-') {
      const std::string_view letters = std::string_view(words_[at_].text).substr(1);
      if (flag(letters[0]) == nullptr) {
        if (letters.find_first_not_of("0123456789.") == std::string_view::npos) return success();  // a negative number
        std::vector<std::string> known;
        for (const HumanArgument& argument : form_.arguments) {
          if (argument.flag != 0) known.push_back(fmt::format("-{}", argument.flag));
        }
        if (known.empty()) return success();
        return usageError(form_, fmt::format("'{}' has no switch '{}'", name(), words_[at_].text)).candidates(known);
      }
      for (const char letter : letters) {
        const HumanArgument* argument = flag(letter);
        if (argument == nullptr) return usageError(form_, fmt::format("'{}' has no switch '-{}'", name(), letter));
        if (given_.contains(letter)) continue;  // "-v -v" is "-v": a member stands in an object once
        given_.push_back(letter);
        writer_.key(argument->member);
        writer_.boolean(true);
      }
      ++at_;
    }
    return success();
  }

  Result<void> readPositional(const HumanArgument& argument) {
    if (at_ == words_.size()) {
      if (argument.optional) return success();
      return usageError(form_, fmt::format("'{}' is missing: {}", argument.member, argument.doc));
    }
    if (argument.kind == ArgumentKind::kRest) {
      writer_.key(argument.member);
      writer_.string(rest());
      at_ = words_.size();
      return success();
    }
    const Word& word = words_[at_++];
    if (word.open) return usageError(form_, fmt::format("the closing quote is missing: {}", line_.substr(word.begin)));
    writer_.key(argument.member);
    return writeValue(argument, word.text);
  }

  // The rest of the line as typed; when it is one quoted word, what is between the quotes.
  std::string rest() const {
    if (at_ + 1 == words_.size() && words_[at_].quoted && !words_[at_].open) return words_[at_].text;
    return std::string(line_.substr(words_[at_].begin, words_.back().end - words_[at_].begin));
  }

  Result<void> writeValue(const HumanArgument& argument, const std::string& text) {
    switch (argument.kind) {
      case ArgumentKind::kInt:
        return writeInteger(argument, text);
      case ArgumentKind::kNumber:
        return writeNumber(argument, text);
      case ArgumentKind::kSize:
        return writeSize(argument, text);
      case ArgumentKind::kBool:
        return writeBool(argument, text);
      case ArgumentKind::kEnum:
        return writeEnum(argument, text);
      case ArgumentKind::kKeyval: {
        RHEA_TRY(const json::Value value, parseOption(text));
        writer_.value(value);
        return success();
      }
      default:
        writer_.string(text);
        return success();
    }
  }

  Error badValue(const HumanArgument& argument, const std::string& text, std::string_view expected) const {
    return usageError(form_, fmt::format("'{}' is no value for {}", text, argument.member))
        .where(std::string(argument.member))
        .expected(std::string(expected));
  }

  Result<void> writeInteger(const HumanArgument& argument, const std::string& text) {
    errno = 0;
    char* end = nullptr;
    const long long value = std::strtoll(text.c_str(), &end, 0);
    if (text.empty() || !endsAt(text, end) || errno != 0) return badValue(argument, text, "a whole number");
    writer_.integer(value);
    return success();
  }

  Result<void> writeNumber(const HumanArgument& argument, const std::string& text) {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (text.empty() || !endsAt(text, end) || !std::isfinite(value)) return badValue(argument, text, "a number");
    writer_.number(value);
    return success();
  }

  Result<void> writeSize(const HumanArgument& argument, const std::string& text) {
    const Result<std::uint64_t> bytes = parseSize(text, SizeUnit::kMiB);
    if (!bytes) return badValue(argument, text, "a size such as 512M or 10G (a bare number counts MiB)");
    writer_.unsignedInteger(*bytes);
    return success();
  }

  Result<void> writeBool(const HumanArgument& argument, const std::string& text) {
    const bool yes = text == "on" || text == "yes" || text == "true";
    if (!yes && text != "off" && text != "no" && text != "false") return badValue(argument, text, "on or off");
    writer_.boolean(yes);
    return success();
  }

  Result<void> writeEnum(const HumanArgument& argument, const std::string& text) {
    if (std::find(argument.values.begin(), argument.values.end(), text) == argument.values.end()) {
      std::vector<std::string> names(argument.values.begin(), argument.values.end());
      return badValue(argument, text, "one of the names below").candidates(std::move(names));
    }
    writer_.string(text);
    return success();
  }

  const HumanForm& form_;
  std::string_view line_;
  std::span<const Word> words_;
  std::size_t at_ = 0;
  std::string given_;  // the switches so far
  json::Writer writer_;
};

}  // namespace

FormTable::FormTable(std::span<const HumanForm> forms) {
  for (const HumanForm& form : forms) sorted_.push_back(&form);
  std::sort(sorted_.begin(), sorted_.end(), [](const HumanForm* a, const HumanForm* b) {
    return std::lexicographical_compare(a->words.begin(), a->words.end(), b->words.begin(), b->words.end());
  });
}

std::pair<const HumanForm*, std::size_t> FormTable::match(std::span<const Word> words) const {
  const HumanForm* best = nullptr;
  for (const HumanForm* form : sorted_) {
    if (startsWith(*form, words) && (best == nullptr || form->words.size() > best->words.size())) best = form;
  }
  return {best, best == nullptr ? 0 : best->words.size()};
}

std::vector<std::string> FormTable::nextWords(std::span<const Word> words) const {
  std::vector<std::string> next;
  for (const HumanForm* form : sorted_) {
    if (form->words.size() <= words.size() || !sameWords(form->words.first(words.size()), words)) continue;
    next.emplace_back(form->words[words.size()]);
    const bool isLast = form->words.size() == words.size() + 1;
    if (isLast) next.insert(next.end(), form->aliases.begin(), form->aliases.end());
  }
  std::sort(next.begin(), next.end());
  next.erase(std::unique(next.begin(), next.end()), next.end());
  return next;
}

std::vector<const HumanForm*> FormTable::formsUnder(std::string_view firstWord) const {
  std::vector<const HumanForm*> found;
  for (const HumanForm* form : sorted_) {
    const bool alias = form->words.size() == 1 && std::ranges::find(form->aliases, firstWord) != form->aliases.end();
    if (form->words.front() == firstWord || alias) found.push_back(form);
  }
  return found;
}

Error FormTable::unknown(std::span<const Word> words) const {
  const std::size_t depth = formsUnder(words.front().text).empty() ? 0 : 1;
  std::vector<std::string> names = nextWords(words.first(depth));
  if (depth == 1 && words.size() == 1) {
    return Error(ErrorClass::kCommandNotFound, fmt::format("'{}' needs one more word", words[0].text))
        .candidates(std::move(names));
  }
  const std::string& word = words[depth].text;
  const std::string what = depth == 0 ? fmt::format("there is no command '{}'", word)
                                      : fmt::format("there is no '{} {}'", words[0].text, word);
  Error error(ErrorClass::kCommandNotFound, what);
  std::vector<std::string> near = nearestNames(word, names);
  if (!near.empty()) {
    const std::string first = depth == 0 ? near.front() : words[0].text + " " + near.front();
    std::string line = first;
    for (const Word& rest : words.subspan(depth + 1)) line += " " + rest.text;
    error = std::move(error).candidates(std::move(near)).hint("did you mean: " + line);
  } else {
    error = std::move(error).hint(depth == 0 ? "help lists the commands" : fmt::format("help {}", words[0].text));
  }
  return error;
}

Result<ParsedLine> FormTable::parse(std::string_view line) const {
  std::vector<Word> words = splitWords(line);
  ParsedLine parsed;
  if (words.size() > 1 && words.back().text == "-j" && !words.back().quoted) {
    parsed.wantsJson = true;
    words.pop_back();
  }
  if (words.empty()) return Error("the line is empty");
  const auto [form, used] = match(words);
  // A word more than a form without arguments takes is meant as another form's ("info blok").
  const bool isWordTooMany = form != nullptr && form->arguments.empty() && used < words.size() &&
                             !nextWords(std::span<const Word>(words).first(used)).empty();
  if (form == nullptr || isWordTooMany) return unknown(words);
  parsed.form = form;
  ArgumentReader reader(*form, line, std::span<const Word>(words).subspan(used));
  RHEA_TRY(parsed.arguments, reader.read());
  return parsed;
}

}  // namespace rhea::monitor
