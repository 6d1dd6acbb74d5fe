#include "hw/timer/rtc.h"

#include <ctime>

#include "hw/timer/ticks.h"

namespace rhea::hw {

using object::kNoTime;
using object::VirtualTime;

namespace {

constexpr auto kSecond = static_cast<VirtualTime>(kNanosecondsPerSecond);
constexpr VirtualTime kUpdateTime = 244'000;  // before each second in which registers are about to change

enum Register : std::uint8_t {
  kSeconds,
  kSecondsAlarm,
  kMinutes,
  kMinutesAlarm,
  kHours,
  kHoursAlarm,
  kWeekday,
  kDay,
  kMonth,
  kYear,
  kA,
  kB,
  kC,
  kD,
};
constexpr std::uint8_t kUpdating = 0x80;                                                                // A
constexpr std::uint8_t kSet = 0x80, kPeriodicEnable = 0x40, kAlarmEnable = 0x20, kUpdateEnable = 0x10;  // B
constexpr std::uint8_t kBinary = 0x04, kHours24 = 0x02;                                                 // B
constexpr std::uint8_t kIrqFlag = 0x80, kPeriodicFlag = 0x40, kAlarmFlag = 0x20, kUpdateFlag = 0x10;    // C

bool isTime(std::uint8_t index) {
  return index == kSeconds || index == kMinutes || (index >= kHours && index != kHoursAlarm && index <= kYear) ||
         index == Rtc::kCentury;
}

}  // namespace

Rtc::Rtc(const object::Class& type, object::VirtualClock& clock, IrqLine irq, std::int64_t epoch, bool catchesUp)
    : Device(type),
      clock_(clock),
      irq_(irq),
      epochNs_(epoch * kSecond),
      catchesUp_(catchesUp),
      periodicTimer_(clock, [this] { periodic(); }),
      secondTimer_(clock, [this] { second(); }) {
  memory_[kA] = 0x26;
  memory_[kB] = kHours24;
  memory_[kD] = 0x80;
}

void Rtc::advance(std::int64_t by) {
  const std::scoped_lock lock(mutex_);
  epochNs_ += by;
  schedule(clock_.now());
}

std::int64_t Rtc::secondsAt(VirtualTime now) const { return (epochNs_ + now) / kSecond; }

std::uint8_t Rtc::encode(unsigned value) const {
  return static_cast<std::uint8_t>((memory_[kB] & kBinary) != 0 ? value : (value / 10 % 10 << 4) + value % 10);
}

unsigned Rtc::decode(std::uint8_t value) const {
  return (memory_[kB] & kBinary) != 0 ? value : (value >> 4) * 10U + (value & 0xfU);
}

void Rtc::refresh(VirtualTime now) {
  if ((memory_[kB] & kSet) != 0) return;
  const std::time_t seconds = secondsAt(now);
  std::tm tm{};
  ::gmtime_r(&seconds, &tm);
  const auto put = [this](std::uint8_t index, int value) { memory_[index] = encode(static_cast<unsigned>(value)); };
  put(kSeconds, tm.tm_sec);
  put(kMinutes, tm.tm_min);
  if ((memory_[kB] & kHours24) != 0) {
    put(kHours, tm.tm_hour);
  } else {
    put(kHours, tm.tm_hour % 12 == 0 ? 12 : tm.tm_hour % 12);
    if (tm.tm_hour >= 12) memory_[kHours] |= 0x80;
  }
  put(kWeekday, tm.tm_wday + 1);
  put(kDay, tm.tm_mday);
  put(kMonth, tm.tm_mon + 1);
  put(kYear, tm.tm_year % 100);
  put(kCentury, (tm.tm_year + 1900) / 100);
}

void Rtc::adopt(VirtualTime now) {
  std::tm tm{};
  const auto get = [this](std::uint8_t index) { return static_cast<int>(decode(memory_[index])); };
  tm.tm_sec = get(kSeconds);
  tm.tm_min = get(kMinutes);
  if ((memory_[kB] & kHours24) != 0) {
    tm.tm_hour = get(kHours);
  } else {
    tm.tm_hour = static_cast<int>(decode(memory_[kHours] & 0x7f)) % 12 + ((memory_[kHours] & 0x80) != 0 ? 12 : 0);
  }
  tm.tm_mday = get(kDay);
  tm.tm_mon = get(kMonth) - 1;
  tm.tm_year = get(kCentury) * 100 + get(kYear) - 1900;
  epochNs_ = static_cast<std::int64_t>(::timegm(&tm)) * kSecond - now;
}

std::uint64_t Rtc::read(std::uint64_t offset, unsigned) {
  if ((offset & 1) == 0) return 0xff;
  const std::scoped_lock lock(mutex_);
  return readRegister();
}

std::uint8_t Rtc::readRegister() {
  const VirtualTime now = clock_.now();
  if (isTime(index_)) {
    refresh(now);
  } else if (index_ == kA) {
    const bool updating = (memory_[kB] & kSet) == 0 && (epochNs_ + now) % kSecond >= kSecond - kUpdateTime;
    return static_cast<std::uint8_t>(memory_[kA] | (updating ? kUpdating : 0));
  } else if (index_ == kC) {
    const std::uint8_t flags = std::exchange(memory_[kC], std::uint8_t{0});
    updateIrq();
    return flags;
  }
  return memory_[index_];
}

void Rtc::write(std::uint64_t offset, std::uint64_t value, unsigned) {
  const std::scoped_lock lock(mutex_);
  if ((offset & 1) == 0) {
    index_ = value & 0x7f;
  } else {
    writeRegister(static_cast<std::uint8_t>(value));
  }
}

void Rtc::writeRegister(std::uint8_t value) {
  const VirtualTime now = clock_.now();
  if (isTime(index_)) {
    refresh(now);
    memory_[index_] = value;
    if ((memory_[kB] & kSet) == 0) adopt(now);
  } else if (index_ == kB) {
    refresh(now);
    const std::uint8_t before = memory_[kB];
    memory_[kB] = (value & kSet) != 0 ? static_cast<std::uint8_t>(value & ~kUpdateEnable) : value;
    // Registers were set in the new format already where SET ends with this write.
    if ((before & kSet) != 0 && (value & kSet) == 0) adopt(now);
    updateIrq();
  } else if (index_ == kA) {
    memory_[kA] = value & 0x7f;
  } else if (index_ == kC || index_ == kD) {
    return;
  } else {
    memory_[index_] = value;
  }
  if (index_ <= kB) schedule(now);
}

bool Rtc::alarmAt(std::int64_t second) const {
  const std::time_t seconds = second;
  std::tm tm{};
  ::gmtime_r(&seconds, &tm);
  const auto fits = [this](std::uint8_t index, int value) {
    const std::uint8_t wanted = memory_[index];
    if ((wanted & 0xc0) == 0xc0) return true;  // "don't care"
    return static_cast<int>(decode(wanted)) == value;
  };
  bool hourFits = fits(kHoursAlarm, tm.tm_hour);
  const std::uint8_t hour = memory_[kHoursAlarm];
  if ((memory_[kB] & kHours24) == 0 && (hour & 0xc0) != 0xc0) {
    hourFits = static_cast<int>(decode(hour & 0x7f)) % 12 + ((hour & 0x80) != 0 ? 12 : 0) == tm.tm_hour;
  }
  return hourFits && fits(kMinutesAlarm, tm.tm_min) && fits(kSecondsAlarm, tm.tm_sec);
}

VirtualTime Rtc::periodicInterval() const {
  unsigned rate = memory_[kA] & 0xf;
  if (rate == 0 || (memory_[kB] & kPeriodicEnable) == 0) return kNoTime;
  if (rate <= 2) rate += 7;
  constexpr std::uint64_t kHz = 32768;
  return timeOf(std::uint64_t{1} << (rate - 1), kHz);
}

void Rtc::schedule(VirtualTime now) {
  const VirtualTime interval = periodicInterval();
  nextPeriodic_ = interval == kNoTime ? kNoTime : (now / interval + 1) * interval;
  periodicTimer_.arm(nextPeriodic_, beatSlack(interval));
  const bool wanted = (memory_[kB] & (kAlarmEnable | kUpdateEnable)) != 0 && (memory_[kB] & kSet) == 0;
  nextSecond_ = wanted ? (secondsAt(now) + 1) * kSecond - epochNs_ : kNoTime;
  secondTimer_.arm(nextSecond_, beatSlack(kSecond));
}

void Rtc::periodic() {
  const std::scoped_lock lock(mutex_);
  const VirtualTime now = clock_.now();
  if (nextPeriodic_ == kNoTime || nextPeriodic_ > now) return;
  memory_[kC] |= kPeriodicFlag;
  updateIrq();
  const VirtualTime interval = periodicInterval();
  if (interval == kNoTime) {
    nextPeriodic_ = kNoTime;
    return periodicTimer_.cancel();
  }
  const bool isLate = now - nextPeriodic_ > interval;
  nextPeriodic_ = catchesUp_ && isLate && now - nextPeriodic_ < kMostBacklog ? nextPeriodic_ + interval
                                                                             : (now / interval + 1) * interval;
  periodicTimer_.arm(tickTime(nextPeriodic_, now, interval), beatSlack(interval));
}

void Rtc::second() {
  const std::scoped_lock lock(mutex_);
  const VirtualTime now = clock_.now();
  if (nextSecond_ == kNoTime || nextSecond_ > now) return;
  memory_[kC] |= kUpdateFlag;
  // Seconds that a busy host let pass are looked at one by one: their alarms must not be missed.
  constexpr std::int64_t kMost = 3600;
  std::int64_t at = (nextSecond_ + epochNs_) / kSecond;
  const std::int64_t last = secondsAt(now);
  for (at = std::max(at, last - kMost); at <= last; ++at) {
    if (alarmAt(at)) memory_[kC] |= kAlarmFlag;
  }
  updateIrq();
  nextSecond_ = (last + 1) * kSecond - epochNs_;
  secondTimer_.arm(nextSecond_, beatSlack(kSecond));
}

void Rtc::updateIrq() {
  const bool wanted = (memory_[kC] & memory_[kB] & (kPeriodicFlag | kAlarmFlag | kUpdateFlag)) != 0;
  memory_[kC] = static_cast<std::uint8_t>(wanted ? memory_[kC] | kIrqFlag : memory_[kC] & ~kIrqFlag);
  if (!replaced_) irq_.set(wanted);
}

void Rtc::setReplaced(bool replaced) {
  const std::scoped_lock lock(mutex_);
  if (replaced_ == replaced) return;
  irq_.lower();
  replaced_ = replaced;
  updateIrq();
}

Task<void> Rtc::reset() {
  const std::scoped_lock lock(mutex_);
  // A PC's RTC lives on its battery: only interrupts end.
  memory_[kB] = static_cast<std::uint8_t>(memory_[kB] & ~(kPeriodicEnable | kAlarmEnable | kUpdateEnable));
  memory_[kC] = 0;
  replaced_ = false;
  updateIrq();
  schedule(clock_.now());
  co_return;
}

void Rtc::save(migrate::StateWriter& to) const {
  const std::scoped_lock lock(mutex_);
  to.putArray("memory", memory_);
  to.put("index", index_);
  to.put("epoch", epochNs_);
  to.put("replaced", replaced_);
}

Result<void> Rtc::load(migrate::StateReader& from) {
  const std::scoped_lock lock(mutex_);
  RHEA_CHECK(from.getArray("memory", memory_));
  RHEA_CHECK(from.get("index", index_));
  index_ &= 0x7f;
  RHEA_CHECK(from.get("epoch", epochNs_));
  constexpr std::int64_t kFarthest = std::int64_t{1} << 62;
  if (epochNs_ < -kFarthest || epochNs_ > kFarthest) return Error("the RTC's time is out of range");
  RHEA_CHECK(from.get("replaced", replaced_));
  schedule(clock_.now());
  return from.finish();
}

}  // namespace rhea::hw
