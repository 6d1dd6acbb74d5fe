#include "hw/acpi/power-management.h"

#include "hw/timer/ticks.h"

namespace rhea::hw {

using object::kNoTime;
using object::VirtualTime;

namespace {

constexpr std::uint16_t kTimerStatus = 0x0001, kPowerButton = 0x0100;
constexpr std::uint16_t kStatusBits = 0x8731, kEnableBits = 0x0721;
constexpr std::uint16_t kSciEnable = 0x0001, kSleepEnable = 0x2000;
constexpr std::uint16_t kControlBits = 0x1c02;
constexpr std::uint64_t kTopBit = std::uint64_t{1} << 31;

std::uint8_t byteOf(std::uint32_t value, std::uint64_t at) {
  return static_cast<std::uint8_t>(value >> (8 * (at & 3)));
}

}  // namespace

PowerManagement::PowerManagement(const object::Class& type, Board& board, IrqLine sci)
    : Device(type), board_(board), sci_(sci), carryTimer_(board.clock(), [this] { carry(); }) {}

std::uint32_t PowerManagement::timerValue(VirtualTime now) const {
  return static_cast<std::uint32_t>(ticksIn(now, kTimerHz));
}

void PowerManagement::pressPowerButton() {
  const std::scoped_lock lock(mutex_);
  status_ |= kPowerButton;
  updateSci();
}

void PowerManagement::updateSci() {
  bool wanted = (status_ & enable_ & kEnableBits) != 0;
  for (std::size_t i = 0; i < gpeStatus_.size(); ++i) wanted = wanted || (gpeStatus_[i] & gpeEnable_[i]) != 0;
  sci_.set(wanted);
}

void PowerManagement::schedule(VirtualTime now) {
  nextCarry_ = kNoTime;
  if ((enable_ & kTimerStatus) != 0) {
    const std::uint64_t ticks = ticksIn(now, kTimerHz);
    nextCarry_ = timeOf((ticks / kTopBit + 1) * kTopBit, kTimerHz);
  }
  carryTimer_.arm(nextCarry_, beatSlack(timeOf(kTopBit, kTimerHz)));
}

void PowerManagement::carry() {
  const std::scoped_lock lock(mutex_);
  const VirtualTime now = board_.clock().now();
  if (nextCarry_ == kNoTime || nextCarry_ > now) return;
  status_ |= kTimerStatus;
  updateSci();
  schedule(now);
}

std::uint64_t PowerManagement::read(std::uint64_t offset, unsigned size) {
  const std::scoped_lock lock(mutex_);
  const VirtualTime now = board_.clock().now();
  std::uint64_t value = 0;
  for (unsigned i = 0; i < size; ++i) value |= std::uint64_t{readByte(offset + i, now)} << (8 * i);
  return value;
}

std::uint8_t PowerManagement::readByte(std::uint64_t offset, VirtualTime now) const {
  if (offset < kControl) return byteOf(status_ | std::uint32_t{enable_} << 16, offset);
  if (offset < kTimer) return byteOf(control_, offset);
  if (offset < kTimer + 4) return byteOf(timerValue(now), offset);
  if (offset < kGpe || offset >= kGpe + kGpeSize) return 0;
  const std::size_t at = offset - kGpe;
  return at < gpeStatus_.size() ? gpeStatus_[at] : gpeEnable_[at - gpeStatus_.size()];
}

void PowerManagement::write(std::uint64_t offset, std::uint64_t value, unsigned size) {
  bool off = false;
  {
    const std::scoped_lock lock(mutex_);
    for (unsigned i = 0; i < size; ++i) off = writeByte(offset + i, static_cast<std::uint8_t>(value >> (8 * i))) || off;
    updateSci();
    if (offset < kControl) schedule(board_.clock().now());
  }
  if (off) board_.wish(Board::Wish::kPowerOff, "ACPI");
}

bool PowerManagement::writeByte(std::uint64_t offset, std::uint8_t value) {
  const unsigned shift = 8 * (offset & 1);
  const auto placed = static_cast<std::uint16_t>(value << shift);
  const auto others = static_cast<std::uint16_t>(0xff00U >> shift);
  if (offset < kEvent + 2) {
    status_ = static_cast<std::uint16_t>(status_ & ~(placed & kStatusBits));
  } else if (offset < kControl) {
    enable_ = static_cast<std::uint16_t>(((enable_ & others) | placed) & kEnableBits);
  } else if (offset < kControl + 2) {
    control_ = static_cast<std::uint16_t>((((control_ & others) | placed) & kControlBits) | kSciEnable);
    const unsigned type = control_ >> 10 & 7;
    return (placed & kSleepEnable) != 0 && type == kSleepTypeOff;
  } else if (offset >= kGpe && offset < kGpe + kGpeSize) {
    const std::size_t at = offset - kGpe;
    if (at < gpeStatus_.size())
      gpeStatus_[at] = static_cast<std::uint8_t>(gpeStatus_[at] & ~value);
    else
      gpeEnable_[at - gpeStatus_.size()] = value;
  }
  return false;
}

Task<void> PowerManagement::reset() {
  const std::scoped_lock lock(mutex_);
  status_ = enable_ = 0;
  control_ = kSciEnable;
  gpeStatus_ = {};
  gpeEnable_ = {};
  schedule(0);
  updateSci();
  co_return;
}

void PowerManagement::save(migrate::StateWriter& to) const {
  const std::scoped_lock lock(mutex_);
  to.put("status", status_);
  to.put("enable", enable_);
  to.put("control", control_);
  to.putArray("gpe-status", gpeStatus_);
  to.putArray("gpe-enable", gpeEnable_);
}

Result<void> PowerManagement::load(migrate::StateReader& from) {
  const std::scoped_lock lock(mutex_);
  RHEA_CHECK(from.get("status", status_));
  RHEA_CHECK(from.get("enable", enable_));
  RHEA_CHECK(from.get("control", control_));
  RHEA_CHECK(from.getArray("gpe-status", gpeStatus_));
  RHEA_CHECK(from.getArray("gpe-enable", gpeEnable_));
  updateSci();
  schedule(board_.clock().now());
  return from.finish();
}

}  // namespace rhea::hw
