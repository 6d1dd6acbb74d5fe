#include "hw/irq/apic-timer.h"

#include "hw/timer/ticks.h"

namespace rhea::hw {

using object::kNoTime;
using object::VirtualTime;

namespace {

// Divide configuration register: bits 3, 1 and 0; 7 divides by 1.
unsigned divisorOf(std::uint32_t configuration) {
  const unsigned code = (configuration & 3) | ((configuration >> 1) & 4);
  return 1U << ((code + 1) & 7);
}

}  // namespace

ApicTimer::ApicTimer(object::VirtualClock& clock, std::function<void()> expired)
    : clock_(clock), expired_(std::move(expired)), timer_(clock, [this] { fire(); }) {}

VirtualTime ApicTimer::period() const {
  return static_cast<VirtualTime>(initialCount_) * divisorOf(divideConfiguration_);
}

void ApicTimer::reset() {
  const std::scoped_lock lock(mutex_);
  mode_ = Mode::kOneShot;
  divideConfiguration_ = initialCount_ = 0;
  expiry_ = kNoTime;
  rearm();
}

void ApicTimer::rearm() { timer_.arm(expiry_, mode_ == Mode::kPeriodic ? beatSlack(period()) : 0); }

void ApicTimer::setMode(Mode mode) {
  const std::scoped_lock lock(mutex_);
  if (mode == mode_) return;
  // Going to or from deadline mode disarms (SDM 11.5.4.1).
  if (mode == Mode::kDeadline || mode_ == Mode::kDeadline) {
    initialCount_ = 0;
    expiry_ = kNoTime;
    rearm();
  }
  mode_ = mode;
}

void ApicTimer::setDivide(std::uint32_t configuration) {
  const std::scoped_lock lock(mutex_);
  configuration &= 0xb;
  if (configuration == divideConfiguration_) return;
  divideConfiguration_ = configuration;
  if (mode_ == Mode::kDeadline || expiry_ == kNoTime) return;
  // The count goes on at the new speed; that it starts anew is what guests can rely on.
  start_ = clock_.now();
  expiry_ = start_ + period();
  rearm();
}

void ApicTimer::setInitialCount(std::uint32_t count) {
  const std::scoped_lock lock(mutex_);
  if (mode_ == Mode::kDeadline) return;
  initialCount_ = count;
  start_ = clock_.now();
  expiry_ = count == 0 ? kNoTime : start_ + period();
  rearm();
}

void ApicTimer::setDeadline(std::uint64_t tsc) {
  const std::scoped_lock lock(mutex_);
  if (mode_ != Mode::kDeadline) return;
  expiry_ = tsc == 0 || tsc >= static_cast<std::uint64_t>(kNoTime) ? kNoTime : static_cast<VirtualTime>(tsc);
  rearm();
}

std::uint32_t ApicTimer::divide() const {
  const std::scoped_lock lock(mutex_);
  return divideConfiguration_;
}

std::uint32_t ApicTimer::initialCount() const {
  const std::scoped_lock lock(mutex_);
  return mode_ == Mode::kDeadline ? 0 : initialCount_;
}

std::uint32_t ApicTimer::currentCount() const {
  const std::scoped_lock lock(mutex_);
  if (mode_ == Mode::kDeadline || expiry_ == kNoTime) return 0;
  const VirtualTime now = clock_.now();
  VirtualTime left = expiry_ - now;
  // The callback of a period that is over may still be on its way.
  if (left <= 0) left = mode_ == Mode::kPeriodic ? period() - (-left % period()) : 0;
  return static_cast<std::uint32_t>(left / divisorOf(divideConfiguration_));
}

std::uint64_t ApicTimer::deadline() const {
  const std::scoped_lock lock(mutex_);
  return mode_ != Mode::kDeadline || expiry_ == kNoTime ? 0 : static_cast<std::uint64_t>(expiry_);
}

void ApicTimer::fire() {
  {
    const std::scoped_lock lock(mutex_);
    const VirtualTime now = clock_.now();
    if (expiry_ == kNoTime || expiry_ > now) return;  // armed anew meanwhile
    if (mode_ == Mode::kPeriodic) {
      // Ticks that nobody could take are lost, as they are in the register.
      expiry_ += period() * ((now - expiry_) / period() + 1);
    } else {
      expiry_ = kNoTime;
    }
    rearm();
  }
  expired_();
}

void ApicTimer::save(migrate::StateWriter& to) const {
  const std::scoped_lock lock(mutex_);
  to.put("mode", mode_);
  to.put("divide", divideConfiguration_);
  to.put("initial-count", initialCount_);
  to.put("start", start_);
  to.put("expiry", expiry_);
}

Result<void> ApicTimer::load(migrate::StateReader& from) {
  const std::scoped_lock lock(mutex_);
  RHEA_CHECK(from.get("mode", mode_));
  RHEA_CHECK(from.get("divide", divideConfiguration_));
  RHEA_CHECK(from.get("initial-count", initialCount_));
  RHEA_CHECK(from.get("start", start_));
  RHEA_CHECK(from.get("expiry", expiry_));
  if (mode_ > Mode::kDeadline) return Error("the mode of an APIC timer is out of range").expected("0 to 2");
  if (mode_ == Mode::kPeriodic && expiry_ != kNoTime && initialCount_ == 0) {
    return Error("a periodic APIC timer runs without a period").expected("initial-count above 0");
  }
  divideConfiguration_ &= 0xb;
  rearm();
  return success();
}

}  // namespace rhea::hw
