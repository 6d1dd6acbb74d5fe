// FormTable: the human forms of a program; reads a typed line into the JSON arguments of a command.
#pragma once

#include "emu/base/base.h"
#include "emu/base/json.h"
#include "emu/io/human-form.h"

namespace rhea::monitor {

// A line that was understood.
struct ParsedLine {
  const HumanForm* form = nullptr;
  json::Text arguments;    // one JSON object, the members that were given or fixed
  bool wantsJson = false;  // ended in " -j": print the reply as JSON
};

// One word of a line and where it stands in it.
struct Word {
  std::string text;       // without quotes and escapes
  std::size_t begin = 0;  // byte of its first character, a quote included
  std::size_t end = 0;    // behind its last one
  bool quoted = false;
  bool open = false;  // the closing quote is missing
};

// Splits at blanks; "double quotes" keep blanks, in them \n \r \t \\ \" \' stand for what they do in C.
// Never fails: an open quote is told by the last word.
std::vector<Word> splitWords(std::string_view line);

class FormTable {
 public:
  explicit FormTable(std::span<const HumanForm> forms);

  // Errors: an unknown word (nearest ones as candidates), a missing or unexpected argument (usage as hint), a value
  // that is no size, number, on/off or value of its enum.
  Result<ParsedLine> parse(std::string_view line) const;

  // The form that the words begin with, and how many of them name it; null and 0 where none does.
  std::pair<const HumanForm*, std::size_t> match(std::span<const Word> words) const;
  // What may follow the words that are there already ({"info"} gives its sub-commands), sorted, once each.
  std::vector<std::string> nextWords(std::span<const Word> words) const;
  // All forms, sorted by their words.
  std::span<const HumanForm* const> forms() const { return sorted_; }
  std::vector<const HumanForm*> formsUnder(std::string_view firstWord) const;

  // The error for words that no form begins with.
  Error unknown(std::span<const Word> words) const;

 private:
  std::vector<const HumanForm*> sorted_;
};

}  // namespace rhea::monitor
