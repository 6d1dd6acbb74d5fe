#include "monitor/human/form-table.h"

namespace rhea::monitor {

namespace {

bool isBlank(char byte) { return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r'; }

char unescape(char letter) {
  switch (letter) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return letter;
  }
}

// Reads one word from `at`, which is not blank; leaves `at` behind it.
Word readWord(std::string_view line, std::size_t& at) {
  Word word;
  word.begin = at;
  bool inQuotes = false;
  for (; at < line.size() && (inQuotes || !isBlank(line[at])); ++at) {
    const char byte = line[at];
    if (byte == '"') {
      inQuotes = !inQuotes;
      word.quoted = true;
    } else if (inQuotes && byte == '\\' && at + 1 < line.size()) {
      word.text.push_back(unescape(line[++at]));
    } else {
      word.text.push_back(byte);
    }
  }
  word.end = at;
  word.open = inQuotes;
  return word;
}

}  // namespace

std::vector<Word> splitWords(std::string_view line) {
  std::vector<Word> words;
  std::size_t at = 0;
  while (true) {
    while (at < line.size() && isBlank(line[at])) ++at;
    if (at == line.size()) return words;
    words.push_back(readWord(line, at));
    // "x/8xg": a command's format may follow it without a blank.
    const Word& first = words.front();
    if (const std::size_t slash = first.text.find('/');
        words.size() == 1 && !first.quoted && slash != 0 && slash != std::string::npos) {
      at = first.begin + slash;
      words.front().text.resize(slash);
      words.front().end = at;
    }
  }
}

}  // namespace rhea::monitor
