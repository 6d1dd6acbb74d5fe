// Opens a crash state with its driver, checks the image, reads all of it, and compares it with the history.
#pragma once

#include "block/tool/prove/crash-states.h"

namespace rhea::block::prove {

struct StateVerdict {
  std::string unusable;  // why the image cannot be used: not opened, found corrupt, not read; empty: it can
  std::uint64_t leaks = 0;
  std::uint64_t damaged = 0;  // sectors that hold what nobody wrote there
  bool completedLost = false;
  bool flushedLost = false;
  // What the promise does not allow, a sentence each; empty: the promise is kept.
  std::vector<std::string> broken;
};

// The state's image may be changed by it: formats repair what they find on opening.
Task<StateVerdict> checkState(BlockGraph& graph, const Subject& subject, const History& history, CrashState state);

}  // namespace rhea::block::prove
