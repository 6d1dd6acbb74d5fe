// CommandLine: what a program was started with, from its words and from configuration files, checked against the
// table of options and kept in one form, so that --dump-config can write it back.
//
// It knows the shape of every option and the meaning of none; the rooms that an option concerns read it from here.
#pragma once

#include "emu/base/base.h"
#include "emu/base/json-type.h"
#include "emu/base/keyval.h"
#include "emu/base/option-info.h"

namespace rhea::object {

// One option as it was given.
struct Given {
  const OptionInfo* option = nullptr;
  std::string origin;   // "-object", "vm.json: object[1]", "vm.ini, line 3": where an error points to
  std::string written;  // the argument as it was typed, for messages
  std::string text;     // kWord: the word; kKeyval and kJson in text form: the argument as it was written
  Keyval pairs;         // kKeyval, and kJson in text form
  json::Value value;    // kJson: the object; a JSON file's and a JSON argument's as it stands, else with strings only
  json::Spelling spelling = json::Spelling::kKeyval;  // kJson: it was JSON on the command line
};

class CommandLine {
 public:
  explicit CommandLine(std::span<const OptionInfo> table) : table_(table) {}

  // The words after the program's name. `-flag` and `--flag` are the same. Errors, all of exit status 2: an unknown
  // option with the nearest names, one that is refused with the reason, a missing argument, a positional argument.
  Result<void> addWords(std::span<const std::string_view> words);
  // A configuration file: {"option": value or [value, ...]}; `name` is the file's, for errors.
  Result<void> addConfig(std::string_view text, const std::string& name);
  // The classic INI form: [option "id"], key = "value".
  Result<void> addIni(std::string_view text, const std::string& name);

  const std::vector<Given>& all() const { return given_; }
  std::vector<const Given*> all(std::string_view option) const;
  bool has(std::string_view option) const { return last(option) != nullptr; }
  // The last occurrence; null where there is none.
  const Given* last(std::string_view option) const;
  // The word of the last occurrence; nothing where there is none.
  std::optional<std::string> word(std::string_view option) const;
  // The keys of all occurrences, a later one replacing an earlier one.
  Keyval merged(std::string_view option) const;

  // The file that addConfig() reads back to the same, indented, with a final newline. The options named in `without`
  // are left out.
  std::string dump(std::span<const std::string_view> without = {}) const;

  std::span<const OptionInfo> table() const { return table_; }

 private:
  Error unknownOption(std::string_view name) const;
  const OptionInfo* find(std::string_view option) const;
  Result<void> addArgument(const OptionInfo& option, std::string_view argument, std::string origin);
  Result<void> addPairs(const OptionInfo& option, Keyval pairs, std::string origin, std::string written = {});
  Result<void> addConfigValue(const OptionInfo& option, json::View value, const std::string& origin);

  std::span<const OptionInfo> table_;
  std::vector<Given> given_;
};

}  // namespace rhea::object
