#include "hw/irq/io-apic.h"

namespace rhea::hw {

namespace {

constexpr std::uint64_t kRemote = std::uint64_t{1} << 14;  // a local APIC serves it
constexpr std::uint64_t kLevel = std::uint64_t{1} << 15;
constexpr std::uint64_t kMasked = std::uint64_t{1} << 16;
constexpr std::uint64_t kReadOnly = kRemote | (std::uint64_t{1} << 12);
constexpr std::uint64_t kWritable = 0xff0000000001ffff & ~kReadOnly;
constexpr std::uint32_t kVersion = 0x20 | ((IoApic::kPins - 1) << 16);

enum Index : std::uint8_t { kIdIndex = 0, kVersionIndex = 1, kArbitrationIndex = 2, kFirstEntry = 0x10 };
enum Offset : std::uint8_t { kSelect = 0x00, kWindow = 0x10, kEoi = 0x40 };

}  // namespace

IoApic::IoApic(const object::Class& type, ApicBus& bus) : Device(type), bus_(bus) { entries_.fill(kMasked); }

void IoApic::send(std::uint64_t entry) {
  ApicMessage message;
  message.destination = static_cast<std::uint32_t>(entry >> 56);
  message.logical = (entry >> 11 & 1) != 0;
  message.mode = static_cast<DeliveryMode>(entry >> 8 & 7);
  message.vector = static_cast<std::uint8_t>(entry);
  message.level = (entry & kLevel) != 0;
  bus_.deliver(message);
}

void IoApic::serve(unsigned pin) {
  std::uint64_t& entry = entries_[pin];
  if ((lines_ >> pin & 1) == 0 || (entry & kLevel) == 0 || (entry & (kMasked | kRemote)) != 0) return;
  entry |= kRemote;
  ++counts_[pin];
  send(entry);
}

void IoApic::setIrq(unsigned line, bool high) {
  if (line >= kPins) return;
  const std::scoped_lock lock(mutex_);
  const std::uint32_t bit = 1U << line;
  const bool before = (lines_ & bit) != 0;
  lines_ = high ? lines_ | bit : lines_ & ~bit;
  if (!high || before) return;
  const std::uint64_t entry = entries_[line];
  if ((entry & kLevel) != 0) {
    serve(line);
  } else if ((entry & kMasked) == 0) {
    ++counts_[line];
    send(entry);
  }
}

void IoApic::endOfInterrupt(std::uint8_t vector) {
  const std::scoped_lock lock(mutex_);
  for (unsigned pin = 0; pin < kPins; ++pin) {
    std::uint64_t& entry = entries_[pin];
    if ((entry & kRemote) == 0 || static_cast<std::uint8_t>(entry) != vector) continue;
    entry &= ~kRemote;
    serve(pin);
  }
}

std::uint64_t IoApic::read(std::uint64_t offset, unsigned) {
  const std::scoped_lock lock(mutex_);
  switch (offset & 0xff) {
    case kSelect:
      return selected_;
    case kWindow:
      return readSelected();
    default:
      return 0;
  }
}

void IoApic::write(std::uint64_t offset, std::uint64_t value, unsigned) {
  if ((offset & 0xff) == kEoi) {
    endOfInterrupt(static_cast<std::uint8_t>(value));
    return;
  }
  const std::scoped_lock lock(mutex_);
  if ((offset & 0xff) == kSelect) {
    selected_ = static_cast<std::uint8_t>(value);
  } else if ((offset & 0xff) == kWindow) {
    writeSelected(static_cast<std::uint32_t>(value));
  }
}

std::uint32_t IoApic::readSelected() const {
  if (selected_ == kIdIndex || selected_ == kArbitrationIndex) return std::uint32_t{id_} << 24;
  if (selected_ == kVersionIndex) return kVersion;
  const unsigned pin = (selected_ - kFirstEntry) / 2U;
  if (selected_ < kFirstEntry || pin >= kPins) return 0;
  return static_cast<std::uint32_t>(entries_[pin] >> (selected_ % 2 * 32));
}

void IoApic::writeSelected(std::uint32_t value) {
  if (selected_ == kIdIndex) {
    id_ = static_cast<std::uint8_t>(value >> 24 & 0xf);
    return;
  }
  const unsigned pin = (selected_ - kFirstEntry) / 2U;
  if (selected_ < kFirstEntry || pin >= kPins) return;
  std::uint64_t& entry = entries_[pin];
  const std::uint64_t kept = entry & kReadOnly;
  const std::uint64_t written =
      selected_ % 2 == 0 ? (entry & 0xffffffff00000000) | value : (entry & 0xffffffff) | (std::uint64_t{value} << 32);
  entry = (written & kWritable) | kept;
  // Linux takes away a stuck remote IRR by making the pin edge triggered for a moment.
  if ((entry & kLevel) == 0) entry &= ~kRemote;
  serve(pin);
}

std::string IoApic::describe() const {
  const std::scoped_lock lock(mutex_);
  std::string text = fmt::format("IO-APIC: lines {:#08x}\n", lines_);
  for (unsigned pin = 0; pin < kPins; ++pin) {
    const std::uint64_t entry = entries_[pin];
    if ((entry & kMasked) != 0 && counts_[pin] == 0) continue;
    text += fmt::format("  pin {:2}: vector {:#04x} to {}{} {}{}{}, {} delivered\n", pin, entry & 0xff,
                        (entry >> 11 & 1) != 0 ? "logical " : "", entry >> 56, (entry & kLevel) != 0 ? "level" : "edge",
                        (entry & kMasked) != 0 ? ", masked" : "", (entry & kRemote) != 0 ? ", in service" : "",
                        counts_[pin]);
  }
  return text;
}

Task<void> IoApic::reset() {
  const std::scoped_lock lock(mutex_);
  selected_ = id_ = 0;
  lines_ = 0;
  entries_.fill(kMasked);
  counts_.fill(0);
  co_return;
}

void IoApic::save(migrate::StateWriter& to) const {
  const std::scoped_lock lock(mutex_);
  to.put("select", selected_);
  to.put("id", id_);
  to.put("lines", lines_);
  to.putArray("entries", entries_);
}

Result<void> IoApic::load(migrate::StateReader& from) {
  const std::scoped_lock lock(mutex_);
  RHEA_CHECK(from.get("select", selected_));
  RHEA_CHECK(from.get("id", id_));
  RHEA_CHECK(from.get("lines", lines_));
  RHEA_CHECK(from.getArray("entries", entries_));
  for (std::uint64_t& entry : entries_) entry &= kWritable | kReadOnly;
  lines_ &= (1U << kPins) - 1;
  return from.finish();
}

}  // namespace rhea::hw
