// IoLines: where rhea-io's lines come from: a person at a terminal, with line editing and completion, or a script on
// standard input.
#pragma once

#include "emu/base/base.h"
#include "emu/io/task.h"

namespace rhea::block {

class IoLines {
 public:
  virtual ~IoLines() = default;
  // The next line, read off the loop, so that requests run on meanwhile; empty at the end.
  virtual Task<std::optional<std::string>> next(std::string prompt) = 0;
};

// Standard input: with readline where it and standard output are a terminal.
std::unique_ptr<IoLines> standardLines();

}  // namespace rhea::block
