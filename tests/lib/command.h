// Running other programs in a test, always with a time limit.
#pragma once

#include <sys/types.h>

#include <string>

namespace rhea::test {

struct CommandResult {
  int status = -1;     // exit status, -1 when it did not end by itself
  std::string output;  // stdout and stderr together
};

// By /bin/sh, killed after `seconds`.
CommandResult run(const std::string& command, int seconds = 20);

// Whether a program is installed; tests that need it are skipped with its name.
bool haveProgram(const std::string& name);

// A program that runs beside the test and is killed with this object.
class Background {
 public:
  explicit Background(const std::string& command);
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
};

}  // namespace rhea::test
