#include "hw/timer/hpet.h"

#include "hw/timer/ticks.h"

namespace rhea::hw {

using object::kNoTime;
using object::VirtualTime;

namespace {

constexpr std::uint64_t kPeriodFemtoseconds = 10'000'000;
constexpr std::uint64_t kLevel = 2, kEnable = 4, kPeriodic = 8, kSetAccumulator = 0x40, kNarrow = 0x100, kFsb = 0x4000;
constexpr std::uint64_t kWritable = kLevel | kEnable | kPeriodic | kSetAccumulator | kNarrow | 0x3e00 | kFsb;
// Periodic and 64 bits wide, messages, and the lines that a comparator can be routed to: 2, 8, 16 to 23.
constexpr std::uint64_t kAbilities = 0x10 | 0x20 | 0x8000 | (std::uint64_t{0xff0104} << 32);

enum Offset : unsigned { kCapabilities = 0x000, kConfig = 0x010, kStatus = 0x020, kCounter = 0x0f0, kFirst = 0x100 };

}  // namespace

Hpet::Hpet(const object::Class& type, object::VirtualClock& clock, IrqSink& lines, MsiSink& msi,
           std::function<void(bool)> replace)
    : Device(type), clock_(clock), lines_(lines), msi_(msi), replace_(std::move(replace)) {
  for (unsigned n = 0; n < kTimers; ++n) {
    timers_[n] = std::make_unique<object::VirtualClock::Timer>(clock, [this, n] { fire(n); });
    comparators_[n].compare = ~std::uint64_t{0};
  }
}

std::uint64_t Hpet::counter(VirtualTime now) const { return running() ? base_ + ticksIn(now - start_, kHz) : base_; }

bool Hpet::silent(const Comparator& comparator) { return (comparator.config & (kEnable | kLevel)) == 0; }

VirtualTime Hpet::slackOf(const Comparator& comparator) {
  const bool beats = (comparator.config & kPeriodic) != 0 && comparator.period != 0;
  constexpr std::uint64_t kLong = kHz;  // longer ones have the most there is
  return beats ? beatSlack(timeOf(std::min(comparator.period, kLong), kHz)) : 0;
}

std::uint64_t Hpet::compareAt(const Comparator& comparator, VirtualTime now) const {
  const bool moves = silent(comparator) && (comparator.config & kPeriodic) != 0 && comparator.period != 0;
  if (!moves || !running() || comparator.next == kNoTime || now < comparator.next) return comparator.compare;
  const std::uint64_t mask = (comparator.config & kNarrow) != 0 ? 0xffffffff : ~std::uint64_t{0};
  const std::uint64_t behind = counter(now) - counter(comparator.next);
  return (comparator.compare + (behind / comparator.period + 1) * comparator.period) & mask;
}

std::uint64_t Hpet::readWhole(unsigned at, VirtualTime now) const {
  switch (at) {
    case kCapabilities:
      return (kPeriodFemtoseconds << 32) | kId;
    case kConfig:
      return config_;
    case kStatus:
      return status_;
    case kCounter:
      return counter(now);
    default:
      break;
  }
  const unsigned n = (at - kFirst) / 0x20;
  if (at < kFirst || n >= kTimers) return 0;
  switch (at % 0x20) {
    case 0:
      return comparators_[n].config | kAbilities;
    case 8:
      return compareAt(comparators_[n], now);
    default:
      return at % 0x20 == 0x10 ? comparators_[n].message : 0;
  }
}

std::uint64_t Hpet::read(std::uint64_t offset, unsigned size) {
  const std::scoped_lock lock(mutex_);
  const auto at = static_cast<unsigned>(offset);
  const std::uint64_t whole = readWhole(at & ~7U, clock_.now());
  return size == 8 ? whole : whole >> ((at & 4) * 8) & 0xffffffff;
}

void Hpet::write(std::uint64_t offset, std::uint64_t value, unsigned size) {
  const std::scoped_lock lock(mutex_);
  const auto at = static_cast<unsigned>(offset);
  const VirtualTime now = clock_.now();
  for (unsigned n = 0; n < kTimers; ++n) {
    const std::uint64_t compare = compareAt(comparators_[n], now);
    if (std::exchange(comparators_[n].compare, compare) != compare) schedule(n, now);
  }
  std::uint64_t written = ~std::uint64_t{0};  // which bits this access reaches
  if (size == 4) {
    const unsigned shift = (at & 4) * 8;
    written = std::uint64_t{0xffffffff} << shift;
    value = (readWhole(at & ~7U, now) & ~written) | (value << shift);
  }
  writeWhole(at & ~7U, value, written, now);
}

void Hpet::writeWhole(unsigned at, std::uint64_t value, std::uint64_t written, VirtualTime now) {
  switch (at) {
    case kConfig:
      setConfig(value & 3, now);
      return;
    case kStatus:
      clearStatus(value & written);
      return;
    case kCounter:
      if (!running()) base_ = value;
      return;
    default:
      break;
  }
  const unsigned n = (at - kFirst) / 0x20;
  if (at < kFirst || n >= kTimers) return;
  Comparator& comparator = comparators_[n];
  if (at % 0x20 == 0) {
    if (comparator.high) drive(n, false);
    comparator.config = value & kWritable;
    if ((comparator.config & kNarrow) != 0) comparator.compare &= 0xffffffff;
    schedule(n, now);
  } else if (at % 0x20 == 8) {
    writeComparator(n, value, written, now);
  } else if (at % 0x20 == 0x10) {
    comparator.message = value;
  }
}

void Hpet::writeComparator(unsigned n, std::uint64_t value, std::uint64_t written, VirtualTime now) {
  Comparator& comparator = comparators_[n];
  const bool narrow = (comparator.config & kNarrow) != 0;
  if (narrow) value &= 0xffffffff;
  if ((comparator.config & kPeriodic) == 0) {
    comparator.compare = value;
  } else {
    // With the set bit the comparator itself is written, then the bit is gone; without it the period is.
    const std::uint64_t part = value & written;
    if ((comparator.config & kSetAccumulator) != 0)
      comparator.compare = (comparator.compare & ~written) | part;
    else
      comparator.period = (comparator.period & ~written) | part;
    if ((written >> 32) != 0 || narrow) comparator.config &= ~kSetAccumulator;
  }
  if (narrow) {
    comparator.compare &= 0xffffffff;
    comparator.period &= 0xffffffff;
  }
  schedule(n, now);
}

void Hpet::setConfig(std::uint64_t value, VirtualTime now) {
  const std::uint64_t changed = value ^ config_;
  if ((changed & 1) != 0) {
    base_ = counter(now);
    start_ = now;
  }
  if ((changed & 2) != 0) {
    for (unsigned n = 0; n < kTimers; ++n) {
      if (comparators_[n].high) drive(n, false);
    }
  }
  config_ = value;
  if ((changed & 2) != 0) replace_(legacy());
  for (unsigned n = 0; n < kTimers; ++n) schedule(n, now);
}

unsigned Hpet::lineOf(unsigned n) const {
  if (legacy() && n < 2) return n == 0 ? 0 : 8;
  return static_cast<unsigned>(comparators_[n].config >> 9 & 0x1f);
}

void Hpet::drive(unsigned n, bool high) {
  Comparator& comparator = comparators_[n];
  if (high) comparator.line = lineOf(n);
  comparator.high = high;
  lines_.setIrq(comparator.line, high);
}

void Hpet::clearStatus(std::uint64_t bits) {
  for (unsigned n = 0; n < kTimers; ++n) {
    if ((bits & status_ & (std::uint64_t{1} << n)) == 0) continue;
    if (comparators_[n].high) drive(n, false);
  }
  status_ &= ~bits;
}

void Hpet::schedule(unsigned n, VirtualTime now) {
  Comparator& comparator = comparators_[n];
  comparator.next = kNoTime;
  if (running()) {
    const std::uint64_t count = counter(now);
    const bool narrow = (comparator.config & kNarrow) != 0;
    std::uint64_t distance = comparator.compare - count;
    if (narrow) distance &= 0xffffffff;
    // A comparator that lies behind the counter by less than half the range has been missed a moment ago.
    const bool missed = narrow ? false : static_cast<std::int64_t>(distance) < 0;
    if (missed && (comparator.config & kPeriodic) != 0 && comparator.period != 0) {
      const std::uint64_t behind = ~distance + 1;
      comparator.compare += (behind / comparator.period + 1) * comparator.period;
      distance = comparator.compare - count;
    }
    constexpr std::uint64_t kFarthest = std::uint64_t{1} << 58;  // ticks of 10 ns: what fits a time
    if (distance < kFarthest) {
      const std::uint64_t since = count - base_ + distance;
      if (since < kFarthest) comparator.next = start_ + timeOf(since, kHz);
    }
  }
  timers_[n]->arm(silent(comparator) ? kNoTime : comparator.next, slackOf(comparator));
}

void Hpet::fire(unsigned n) {
  std::uint64_t message = 0;
  bool isMessage = false;
  {
    const std::scoped_lock lock(mutex_);
    Comparator& comparator = comparators_[n];
    const VirtualTime now = clock_.now();
    if (comparator.next == kNoTime || comparator.next > now || silent(comparator)) return;
    comparator.next = kNoTime;
    if ((comparator.config & kPeriodic) != 0 && comparator.period != 0) {
      const std::uint64_t mask = (comparator.config & kNarrow) != 0 ? 0xffffffff : ~std::uint64_t{0};
      const std::uint64_t behind = (counter(now) - comparator.compare) & mask;
      const VirtualTime period = timeOf(comparator.period, kHz);
      const bool late = behind >= comparator.period;
      if (late && timeOf(behind, kHz) < kMostBacklog) {
        comparator.compare = (comparator.compare + comparator.period) & mask;
        comparator.next = tickTime(now, now, period);
        timers_[n]->arm(comparator.next, slackOf(comparator));
      } else {
        comparator.compare = (comparator.compare + (behind / comparator.period + 1) * comparator.period) & mask;
        schedule(n, now);
      }
    } else if ((comparator.config & kNarrow) != 0) {
      // The low half comes round again.
      constexpr std::uint64_t kRound = std::uint64_t{1} << 32;
      comparator.next = now + timeOf(kRound, kHz);
      timers_[n]->arm(comparator.next);
    }
    const bool level = (comparator.config & kLevel) != 0;
    if (level) status_ |= std::uint64_t{1} << n;
    if ((comparator.config & kEnable) != 0) {
      if ((comparator.config & kFsb) != 0) {
        isMessage = true;
        message = comparator.message;
      } else {
        if (!level && comparator.high) drive(n, false);
        drive(n, true);
        // An edge stays until the next one where a PIC may look late; comparators of their own line need no such care.
        if (!level && !(legacy() && n < 2)) drive(n, false);
      }
    }
  }
  if (isMessage) msi_.deliverMsi(message >> 32, static_cast<std::uint32_t>(message));
}

Task<void> Hpet::reset() {
  const std::scoped_lock lock(mutex_);
  for (unsigned n = 0; n < kTimers; ++n) {
    if (comparators_[n].high) drive(n, false);
    comparators_[n] = Comparator();
    comparators_[n].compare = ~std::uint64_t{0};
    timers_[n]->cancel();
  }
  if (legacy()) replace_(false);
  config_ = status_ = base_ = 0;
  co_return;
}

void Hpet::save(migrate::StateWriter& to) const {
  const std::scoped_lock lock(mutex_);
  const VirtualTime now = clock_.now();
  to.put("config", config_);
  to.put("status", status_);
  to.put("base", base_);
  to.put("start", start_);
  for (unsigned n = 0; n < kTimers; ++n) {
    const Comparator& comparator = comparators_[n];
    migrate::StateWriter section;
    section.put("config", comparator.config);
    section.put("compare", compareAt(comparator, now));
    section.put("period", comparator.period);
    section.put("message", comparator.message);
    section.put("high", comparator.high);
    section.put("line", comparator.line);
    to.putSection(fmt::format("timer{}", n), section);
  }
}

Result<void> Hpet::load(migrate::StateReader& from) {
  const std::scoped_lock lock(mutex_);
  RHEA_CHECK(from.get("config", config_));
  RHEA_CHECK(from.get("status", status_));
  RHEA_CHECK(from.get("base", base_));
  RHEA_CHECK(from.get("start", start_));
  config_ &= 3;
  for (unsigned n = 0; n < kTimers; ++n) {
    Comparator comparator;
    RHEA_TRY(migrate::StateReader section, from.section(fmt::format("timer{}", n)));
    RHEA_CHECK(section.get("config", comparator.config));
    RHEA_CHECK(section.get("compare", comparator.compare));
    RHEA_CHECK(section.get("period", comparator.period));
    RHEA_CHECK(section.get("message", comparator.message));
    RHEA_CHECK(section.get("high", comparator.high));
    RHEA_CHECK(section.get("line", comparator.line));
    RHEA_CHECK(section.finish());
    comparator.config &= kWritable;
    comparators_[n] = comparator;
    schedule(n, clock_.now());
  }
  return from.finish();
}

}  // namespace rhea::hw
