// Completer: what may stand at the cursor of a line: words of forms, values of enums, and names of everything that has
// one, asked of the machine when they are wanted.
#pragma once

#include "monitor/human/line-reader.h"
#include "monitor/human/shell.h"

namespace rhea::monitor {

class Completer {
 public:
  explicit Completer(Shell& shell) : shell_(shell) {}
  // `cursor` is a byte of the line. Errors of look-ups give no candidates: completion never disturbs.
  Task<Completion> complete(std::string line, std::size_t cursor);

 private:
  Task<std::vector<std::string>> candidates(const HumanArgument& argument, std::string typed, bool& closes);
  Task<std::vector<std::string>> options(HumanArgument argument, std::string typed, bool& closes);
  Task<std::vector<std::string>> membersOf(std::string command, std::string arguments, std::vector<std::string> keys);
  Task<std::vector<std::string>> paths(std::string typed, bool& closes);

  Shell& shell_;
};

}  // namespace rhea::monitor
