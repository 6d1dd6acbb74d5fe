#include "emu/io/loop-tuning.h"

#include "emu/io/mailbox.h"

namespace rhea {

namespace {

constexpr Duration kFirst = std::chrono::microseconds(4);
constexpr std::int64_t kUsualGrowth = 2;

}  // namespace

LoopTuning& tuningOf(const Loop& loop) { return loop.mailbox()->tuning; }

Duration AdaptiveWait::time(const LoopTuning& tuning) const {
  return std::min<Duration>(time_, std::chrono::nanoseconds(tuning.pollMostNs.load(std::memory_order_relaxed)));
}

void AdaptiveWait::learn(Duration waited, const LoopTuning& tuning) {
  const Duration most = std::chrono::nanoseconds(tuning.pollMostNs.load(std::memory_order_relaxed));
  if (waited <= time_) return;  // seen in time
  if (waited > most) {
    // No look that is allowed would have been long enough.
    const std::int64_t divisor = tuning.pollShrink.load(std::memory_order_relaxed);
    time_ = divisor == 0 ? Duration::zero() : time_ / divisor;
    return;
  }
  const std::int64_t factor = tuning.pollGrow.load(std::memory_order_relaxed);
  const Duration longer = time_ == Duration::zero() ? kFirst : time_ * (factor == 0 ? kUsualGrowth : factor);
  time_ = std::min(longer, most);
}

}  // namespace rhea
