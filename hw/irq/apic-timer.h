// ApicTimer: the local APIC's timer: one-shot, periodic, or armed with a value of the time-stamp counter.
//
// The counter's input and the time-stamp counter both count virtual nanoseconds (kTscHz), so no conversion is needed.
#pragma once

#include "emu/migrate/state.h"
#include "emu/object/virtual-clock.h"

namespace rhea::hw {

constexpr std::uint64_t kTscHz = 1'000'000'000;

class ApicTimer {
 public:
  enum class Mode : std::uint8_t { kOneShot = 0, kPeriodic = 1, kDeadline = 2 };

  // `expired` is called on the clock's thread.
  ApicTimer(object::VirtualClock& clock, std::function<void()> expired);

  // All of these from any thread.
  void reset();
  void setMode(Mode mode);
  void setDivide(std::uint32_t configuration);
  void setInitialCount(std::uint32_t count);
  void setDeadline(std::uint64_t tsc);
  std::uint32_t divide() const;
  std::uint32_t initialCount() const;
  std::uint32_t currentCount() const;
  std::uint64_t deadline() const;

  void save(migrate::StateWriter& to) const;
  Result<void> load(migrate::StateReader& from);

 private:
  void fire();
  void rearm();
  object::VirtualTime period() const;

  object::VirtualClock& clock_;
  std::function<void()> expired_;
  mutable std::mutex mutex_;
  Mode mode_ = Mode::kOneShot;
  std::uint32_t divideConfiguration_ = 0;
  std::uint32_t initialCount_ = 0;
  object::VirtualTime start_ = 0;                 // when the counter had its initial count
  object::VirtualTime expiry_ = object::kNoTime;  // kNoTime: not counting
  object::VirtualClock::Timer timer_;
};

}  // namespace rhea::hw
