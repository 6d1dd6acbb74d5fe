// The shape of rhea-img's subcommands: one row per subcommand, one per option. Parsing, help, synopses in errors and in
// the manual page, and completion all come from these rows.
#pragma once

#include "emu/base/base.h"
#include "emu/io/task.h"

namespace rhea::block {

class ImgSession;

struct ImgOption {
  char letter = 0;         // 0: has none
  std::string_view name;   // long form; always there, and the key by which the value is asked for
  std::string_view value;  // what the value is called in the synopsis; empty: a switch. "[=json]": may be left out
  std::string_view doc;    // one line

  bool takesValue() const { return !value.empty() && value.front() != '['; }
  bool mayTakeValue() const { return !value.empty() && value.front() == '['; }
};

struct ImgCommand;

// A command line, taken apart.
class ImgCall {
 public:
  struct Given {
    const ImgOption* option;
    std::string value;
  };

  ImgCall() = default;
  explicit ImgCall(const ImgCommand& theCommand) : command(&theCommand) {}

  bool has(std::string_view option) const;
  // The last one given.
  std::optional<std::string> value(std::string_view option) const;
  std::string valueOr(std::string_view option, std::string_view otherwise) const;
  std::vector<std::string> values(std::string_view option) const;
  // Of an option that counts bytes, or a plain number. Error: names option and value.
  Result<std::optional<std::uint64_t>> size(std::string_view option) const;
  Result<std::optional<std::uint64_t>> number(std::string_view option, std::uint64_t least, std::uint64_t most) const;

  const ImgCommand* command = nullptr;
  std::vector<Given> given;        // in their order
  std::vector<std::string> words;  // what is no option
};

struct ImgCommand {
  std::string_view name;
  std::string_view words;  // "FILENAME [SIZE]"
  std::size_t leastWords = 0;
  std::size_t mostWords = 0;
  std::span<const ImgOption> options;
  std::string_view doc;  // one line
  // The exit status; an error's is errorStatus.
  Task<Result<int>> (*run)(ImgSession& session, ImgCall call) = nullptr;
  bool threads = false;     // it has several requests in flight; the others do one thing after the other
  bool signedWord = false;  // the last word may begin with '-' (resize)
  int errorStatus = 1;
};

// `words`: those behind the subcommand's name. GNU rules: options and words in any order, "--" ends the options,
// letters may be joined, a long name may be cut where it stays unique. Error: the nearest names, and the synopsis.
Result<ImgCall> parseCall(const ImgCommand& command, std::span<const std::string_view> words);

// "rhea-img info [-f FMT] [--output=FORMAT] FILENAME"
std::string synopsis(const ImgCommand& command);
// The synopsis, what it does, and every option with its line.
std::string helpOf(const ImgCommand& command);

}  // namespace rhea::block
