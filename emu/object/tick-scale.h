// TickScale: how virtual time follows from the host's time-stamp counter, for a second or so at a time. Published by
// the VirtualClock, read by whoever wants the time often; translated code computes it by itself:
//
//   do {
//     seen = sequence;                      // odd: being changed
//     passed = <counter> - first;
//     if (passed >= valid) ask VirtualClock::now()
//     time = start + (passed * rate >> 32);
//   } while (sequence != seen);
//
// passed and rate have 32 bits at the most.
#pragma once

#include "emu/base/base.h"

namespace rhea::object {

struct TickScale {
  std::atomic<std::uint64_t> sequence{0};
  std::atomic<std::uint64_t> first{0};
  std::atomic<std::uint64_t> valid{0};  // 0: it says nothing, the machine stands or the counter is not to be trusted
  std::atomic<std::uint64_t> rate{0};   // nanoseconds a tick, 32 bits behind the point
  std::atomic<std::int64_t> start{0};   // virtual time at `first`
};

// The counter is the same on all processors and never stops or changes its pace, and the host's own clock is made of
// it.
bool hostTicksAreSteady();

// Not before what stands in front of it: another thread's later answer may have been seen there.
#if defined(__x86_64__)
inline std::uint64_t hostTicks() {
  __builtin_ia32_lfence();
  return __builtin_ia32_rdtsc();
}
#else
inline std::uint64_t hostTicks() { return 0; }
#endif

}  // namespace rhea::object
