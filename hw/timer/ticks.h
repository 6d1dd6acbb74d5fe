// Ticks: counts of an oscillator since a moment of virtual time, and back. Exact: no rounding adds up.
#pragma once

#include "emu/object/virtual-clock.h"

namespace rhea::hw {

constexpr std::uint64_t kNanosecondsPerSecond = 1'000'000'000;

// Whole ticks of `hz` in `elapsed` nanoseconds; 0 where that is negative.
constexpr std::uint64_t ticksIn(object::VirtualTime elapsed, std::uint64_t hz) {
  if (elapsed <= 0) return 0;
  return static_cast<std::uint64_t>(static_cast<unsigned __int128>(elapsed) * hz / kNanosecondsPerSecond);
}

// The first nanosecond at which `ticks` of `hz` are over.
constexpr object::VirtualTime timeOf(std::uint64_t ticks, std::uint64_t hz) {
  return static_cast<object::VirtualTime>((static_cast<unsigned __int128>(ticks) * kNanosecondsPerSecond + hz - 1) /
                                          hz);
}

// When a periodic interrupt whose nominal time is `nominal` comes: then, or, where a busy host has let that pass, soon
// but not at once, so that a guest that counts ticks can take them one by one. What is a second late is not made up
// for.
constexpr object::VirtualTime kMostBacklog = static_cast<object::VirtualTime>(kNanosecondsPerSecond);
constexpr object::VirtualTime tickTime(object::VirtualTime nominal, object::VirtualTime now,
                                       object::VirtualTime period) {
  return nominal > now ? nominal : now + period / 4 + 1;
}

// By how much a tick of a beat may come late, so that beats share a wake-up of the host (VirtualClock::Timer::arm): a
// guest counts them, and the next one's nominal time does not move. What is armed for a moment of its own bears none.
constexpr object::VirtualTime beatSlack(object::VirtualTime period) {
  constexpr object::VirtualTime kMost = 50'000;
  return std::min(kMost, period / 16);
}

}  // namespace rhea::hw
