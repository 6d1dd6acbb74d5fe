// Executor: how a human session gets its commands run, in this process or in another one.
#pragma once

#include "emu/base/base.h"
#include "emu/base/json.h"
#include "emu/io/human-command.h"
#include "emu/io/task.h"

namespace rhea::monitor {

class Executor {
 public:
  virtual ~Executor() = default;
  // Runs a QMP command; `arguments` is a JSON object. Gives what stands under "return"; its error is the reply's.
  virtual Task<Result<json::Text>> execute(std::string command, json::Text arguments) = 0;
  // Runs a human-command, which has a body of its own. `line` is what was typed, `arguments` what was read from it.
  virtual Task<Result<HumanOutput>> executeHuman(std::string command, json::Text arguments, std::string line) = 0;
};

}  // namespace rhea::monitor
