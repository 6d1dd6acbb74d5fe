// The local APIC's registers: in memory, and as MSRs.
#include "emu/cpu/vcpu.h"
#include "hw/irq/local-apic.h"

namespace rhea::hw {

namespace {

constexpr std::uint32_t kMasked = 0x10000;
// Version 0x14, seven LVT entries, EOI broadcasts can be suppressed.
constexpr std::uint32_t kVersion = 0x14 | (6U << 16) | (1U << 24);
// Bits of LVT entries that can be written: vector and mask everywhere, delivery mode, polarity and trigger by entry.
constexpr std::array<std::uint32_t, 7> kLvtWritable = {0x107ff, 0x700ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff};

// Register numbers: their addresses divided by 16, and x2APIC's MSRs less 0x800.
enum Register : std::uint8_t {
  kId = 0x02,
  kVersionRegister = 0x03,
  kTaskPriority = 0x08,
  kArbitration = 0x09,
  kProcessorPriority = 0x0a,
  kEndOfInterrupt = 0x0b,
  kLogicalDestination = 0x0d,
  kDestinationFormat = 0x0e,
  kSpurious = 0x0f,
  kService = 0x10,
  kTrigger = 0x18,
  kRequest = 0x20,
  kErrorStatus = 0x28,
  kCmciEntry = 0x2f,
  kCommandLow = 0x30,
  kCommandHigh = 0x31,
  kTimerEntry = 0x32,
  kErrorEntry = 0x37,
  kInitialCount = 0x38,
  kCurrentCount = 0x39,
  kDivide = 0x3e,
  kSelf = 0x3f,
};

// What x2APIC lets nobody write; bits that are only to be read are not among it.
std::uint64_t reservedBits(unsigned which) {
  constexpr std::uint64_t kLvtStatus = 0x5000;
  const auto entry = [](unsigned lvt) { return ~std::uint64_t{kLvtWritable[lvt] | kLvtStatus}; };
  if (which >= kTimerEntry && which <= kErrorEntry) return entry(which - kTimerEntry + 1);
  switch (which) {
    case kTaskPriority:
    case kSelf:
      return ~std::uint64_t{0xff};
    case kSpurious:
      return ~std::uint64_t{0x13ff};
    case kCmciEntry:
      return entry(0);
    case kDivide:
      return ~std::uint64_t{0xb};
    case kCommandLow:
      return 0xfff32000;
    case kEndOfInterrupt:
    case kErrorStatus:
      return ~std::uint64_t{0};
    default:
      return ~std::uint64_t{0xffffffff};
  }
}

constexpr std::uint32_t kMsrBase = 0x1b;
constexpr std::uint32_t kMsrDeadline = 0x6e0;
constexpr std::uint32_t kMsrX2 = 0x800;

}  // namespace

std::uint32_t LocalApic::readRegister(unsigned index) {
  if (index >= kService && index < kService + 8) return service_[index - kService];
  if (index >= kTrigger && index < kTrigger + 8) return trigger_[index - kTrigger];
  if (index >= kRequest && index < kRequest + 8) return request_[index - kRequest];
  if (index >= kTimerEntry && index <= kErrorEntry) return lvt_[index - kTimerEntry + kTimer];
  switch (index) {
    case kId:
      return x2() ? id_ : id_ << 24;
    case kVersionRegister:
      return kVersion;
    case kTaskPriority:
      return tpr_;
    case kArbitration:
    case kProcessorPriority:
      return processorPriority();
    case kLogicalDestination:
      return x2() ? (id_ >> 4 << 16) | (1U << (id_ & 0xf)) : logicalDestination_.load();
    case kDestinationFormat:
      return destinationFormat_;
    case kSpurious:
      return spurious_;
    case kErrorStatus:
      return errorsShown_;
    case kCmciEntry:
      return lvt_[kCmci];
    case kCommandLow:
      return static_cast<std::uint32_t>(command_.load());
    case kCommandHigh:
      return static_cast<std::uint32_t>(command_.load() >> 32);
    case kInitialCount:
      return timer_.initialCount();
    case kCurrentCount:
      return timer_.currentCount();
    case kDivide:
      return timer_.divide();
    default:
      return 0;
  }
}

void LocalApic::writeLvt(Lvt which, std::uint32_t value) {
  value &= kLvtWritable[which];
  if (!softwareEnabled()) value |= kMasked;
  lvt_[which] = value;
  if (which == kTimer) timer_.setMode(static_cast<ApicTimer::Mode>(std::min(value >> 17 & 3, 2U)));
  if (which == kLint0 && lint0_) raiseLvt(kLint0);
}

void LocalApic::writeRegister(unsigned index, std::uint32_t value) {
  if (index >= kTimerEntry && index <= kErrorEntry) {
    writeLvt(static_cast<Lvt>(index - kTimerEntry + kTimer), value);
    return;
  }
  switch (index) {
    case kTaskPriority:
      setPriority(static_cast<std::uint8_t>(value));
      break;
    case kEndOfInterrupt:
      endOfInterrupt();
      break;
    case kLogicalDestination:
      logicalDestination_ = value & 0xff000000;
      break;
    case kDestinationFormat:
      destinationFormat_ = value | 0x0fffffff;
      break;
    case kSpurious:
      spurious_ = value & 0x13ff;
      if (!softwareEnabled()) {
        for (auto& entry : lvt_) entry |= kMasked;
      }
      announce();
      break;
    case kErrorStatus:
      errorsShown_ = errors_.exchange(0);
      break;
    case kCmciEntry:
      writeLvt(kCmci, value);
      break;
    case kCommandLow: {
      // xAPIC: the destination is the high half's upper byte.
      const std::uint64_t high = command_ >> 32;
      command_ = (high << 32) | value;
      sendIpi((high >> 24 << 32) | value);
      command_ = (high << 32) | (value & ~0x1000U);
      break;
    }
    case kCommandHigh:
      command_ = (command_ & 0xffffffff) | (std::uint64_t{value} << 32);
      break;
    case kInitialCount:
      timer_.setInitialCount(value);
      break;
    case kDivide:
      timer_.setDivide(value);
      break;
    default:
      break;
  }
}

bool LocalApic::writeBase(std::uint64_t value) {
  constexpr std::uint64_t kPage = ~std::uint64_t{0xfff};
  constexpr std::uint64_t kReserved = 0x2ff;
  // The registers' page stays where every guest leaves it.
  if ((value & kPage) != ApicBus::kBase || (value & kReserved) != 0) return false;
  const std::uint64_t before = base_;
  const std::uint64_t mode = value & (kBaseEnable | kBaseX2);
  if (mode == kBaseX2) return false;
  // From x2APIC the way back leads through off only, and off leads to xAPIC only (SDM 11.12.5).
  if ((before & kBaseX2) != 0 && mode == kBaseEnable) return false;
  if ((before & kBaseEnable) == 0 && mode == (kBaseEnable | kBaseX2)) return false;
  if (mode == 0 && (before & kBaseEnable) != 0) clearState();
  base_ = (value & ~kBaseBootstrap) | (bootstrap_ ? kBaseBootstrap : 0);
  return true;
}

bool LocalApic::readMsr(std::uint32_t index, std::uint64_t& value) {
  if (index == kMsrBase) {
    value = base_;
    return true;
  }
  if (index == kMsrDeadline) {
    value = timer_.deadline();
    return true;
  }
  if (!x2() || index < kMsrX2 || index >= kMsrX2 + kRegisters) return false;
  const unsigned which = index - kMsrX2;
  switch (which) {
    case kCommandLow:
      value = command_;
      return true;
    case kArbitration:
    case kEndOfInterrupt:
    case kDestinationFormat:
    case kCommandHigh:
    case kSelf:
      return false;
    default:
      break;
  }
  const bool known = which == kId || which == kVersionRegister || (which >= kTaskPriority && which <= kErrorStatus) ||
                     (which >= kCmciEntry && which <= kCurrentCount) || which == kDivide;
  if (!known) return false;
  value = readRegister(which);
  return true;
}

bool LocalApic::writeMsr(std::uint32_t index, std::uint64_t value) {
  if (index == kMsrBase) return writeBase(value);
  if (index == kMsrDeadline) {
    timer_.setDeadline(value);
    return true;
  }
  if (!x2() || index < kMsrX2 || index >= kMsrX2 + kRegisters) return false;
  const unsigned which = index - kMsrX2;
  if ((value & reservedBits(which)) != 0) return false;
  const auto low = static_cast<std::uint32_t>(value);
  switch (which) {
    case kCommandLow:
      sendIpi(value);
      return true;
    case kSelf:
      accept(static_cast<std::uint8_t>(low), false);
      return true;
    case kEndOfInterrupt:
    case kErrorStatus:
    case kTaskPriority:
    case kSpurious:
    case kInitialCount:
    case kDivide:
    case kCmciEntry:
      break;
    default:
      if (which < kTimerEntry || which > kErrorEntry) return false;
  }
  writeRegister(which, low);
  return true;
}

}  // namespace rhea::hw
