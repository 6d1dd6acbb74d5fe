#include "emu/base/shell-words.h"

namespace rhea {

namespace {

bool isPlain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("%+,-./:=@_").find(c) != std::string_view::npos;
}

bool isBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Reads one line from left to right.
class Splitter {
 public:
  explicit Splitter(std::string_view line) : line_(line) {}

  Result<std::vector<std::string>> run() {
    while (at_ < line_.size()) {
      if (isBlank(line_[at_])) {
        endWord();
        at_++;
        continue;
      }
      inWord_ = true;
      RHEA_CHECK(readPart());
    }
    endWord();
    return std::move(words_);
  }

 private:
  Result<void> readPart() {
    switch (line_[at_]) {
      case '\'':
        return readLiteral();
      case '"':
        return readQuoted();
      case '\\':
        if (at_ + 1 == line_.size()) return wrong("a backslash at the end of the line", at_);
        word_ += line_[at_ + 1];
        at_ += 2;
        return success();
      default:
        word_ += line_[at_++];
        return success();
    }
  }

  Result<void> readLiteral() {
    const std::size_t end = line_.find('\'', at_ + 1);
    if (end == std::string_view::npos) return wrong("a single quote is not closed", at_);
    word_ += line_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return success();
  }

  Result<void> readQuoted() {
    const std::size_t begin = at_++;
    while (at_ < line_.size() && line_[at_] != '"') {
      const bool escape = line_[at_] == '\\' && at_ + 1 < line_.size() &&
                          (line_[at_ + 1] == '"' || line_[at_ + 1] == '\\' || line_[at_ + 1] == '$');
      if (escape) at_++;
      word_ += line_[at_++];
    }
    if (at_ == line_.size()) return wrong("a double quote is not closed", begin);
    at_++;
    return success();
  }

  void endWord() {
    if (inWord_) words_.push_back(std::exchange(word_, {}));
    inWord_ = false;
  }

  static Error wrong(std::string what, std::size_t where) {
    return Error(std::move(what)).where(fmt::format("column {}", where + 1));
  }

  std::string_view line_;
  std::size_t at_ = 0;
  bool inWord_ = false;
  std::string word_;
  std::vector<std::string> words_;
};

}  // namespace

std::string shellQuote(std::string_view word) {
  if (!word.empty() && std::ranges::all_of(word, isPlain)) return std::string(word);
  std::string quoted = "'";
  for (const char c : word) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + '\'';
}

std::string shellQuote(std::span<const std::string> words) {
  std::string line;
  for (const std::string& word : words) line.append(line.empty() ? "" : " ").append(shellQuote(word));
  return line;
}

Result<std::vector<std::string>> splitShellWords(std::string_view line) { return Splitter(line).run(); }

}  // namespace rhea
