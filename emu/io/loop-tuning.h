// LoopTuning: how long a loop looks for work before it sleeps, and how much its engines hand over at once.
//
// Sleeping and being woken costs some microseconds, which is what a fast disk takes for a request. So a loop may look
// for completions and mail in a tight turn for a moment first. How long is adapted: longer where a little more patience
// would have been enough, shorter where it was in vain (AdaptiveWait).
#pragma once

#include "emu/io/loop.h"

namespace rhea {

// Set from any thread, at any time.
struct LoopTuning {
  std::atomic<std::int64_t> pollMostNs{0};  // the longest look; 0: sleep at once
  std::atomic<std::int64_t> pollGrow{0};    // factor; 0: the usual one
  std::atomic<std::int64_t> pollShrink{0};  // divisor; 0: back to no look at all
  std::atomic<std::int64_t> maxBatch{0};    // requests in one system call; 0: what the engine chooses
};

// Of this loop. Any thread, while the loop lives.
LoopTuning& tuningOf(const Loop& loop);

// How long to look, learnt from how long the waits were. The loop's own thread.
class AdaptiveWait {
 public:
  Duration time(const LoopTuning& tuning) const;
  // What was waited for came after `waited`, looking and sleeping together.
  void learn(Duration waited, const LoopTuning& tuning);

 private:
  Duration time_{};
};

}  // namespace rhea
