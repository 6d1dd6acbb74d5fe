#include "hw/pci/msix.h"

namespace rhea::pci {

Msix::Msix(hw::MsiSink& sink, unsigned vectors) : sink_(sink), entries_(vectors) {}

bool Msix::canSend(const Entry& entry) const {
  return enabled_.load(std::memory_order_relaxed) && !functionMasked_ && busMaster_ && (entry.control & 1) == 0;
}

void Msix::control(bool enabled, bool functionMasked, bool busMaster) {
  std::vector<Message> free;
  {
    const std::lock_guard lock(guard_);
    enabled_.store(enabled, std::memory_order_release);
    functionMasked_ = functionMasked;
    busMaster_ = busMaster;
    free = takeUnmasked();
  }
  send(free);
}

void Msix::notify(unsigned vector) {
  if (vector >= entries_.size()) return;
  Message message{};
  {
    const std::lock_guard lock(guard_);
    if (!enabled_.load(std::memory_order_relaxed)) return;
    Entry& entry = entries_[vector];
    if (!canSend(entry)) {
      entry.pending = true;
      return;
    }
    message = {entry.address, entry.data};
  }
  sink_.deliverMsi(message.address, message.data);
}

std::vector<Msix::Message> Msix::takeUnmasked() {
  std::vector<Message> free;
  for (Entry& entry : entries_) {
    if (!entry.pending || !canSend(entry)) continue;
    entry.pending = false;
    free.push_back({entry.address, entry.data});
  }
  return free;
}

void Msix::send(const std::vector<Message>& messages) {
  for (const Message& message : messages) sink_.deliverMsi(message.address, message.data);
}

std::uint32_t Msix::readWord(std::uint64_t offset) const {
  const std::uint64_t index = offset / kEntrySize;
  if (index >= entries_.size()) return 0;
  const Entry& entry = entries_[index];
  switch (offset % kEntrySize / 4) {
    case 0:
      return static_cast<std::uint32_t>(entry.address);
    case 1:
      return static_cast<std::uint32_t>(entry.address >> 32);
    case 2:
      return entry.data;
    default:
      return entry.control;
  }
}

void Msix::writeWord(std::uint64_t offset, std::uint32_t value) {
  const std::uint64_t index = offset / kEntrySize;
  if (index >= entries_.size()) return;
  Entry& entry = entries_[index];
  switch (offset % kEntrySize / 4) {
    case 0:
      entry.address = (entry.address & ~std::uint64_t{0xffffffff}) | (value & ~3U);
      break;
    case 1:
      entry.address = (entry.address & 0xffffffff) | (std::uint64_t{value} << 32);
      break;
    case 2:
      entry.data = value;
      break;
    default:
      entry.control = value & 1;
  }
}

std::uint64_t Msix::readTable(std::uint64_t offset, unsigned size) const {
  const std::lock_guard lock(guard_);
  const std::uint64_t low = readWord(offset & ~std::uint64_t{3});
  return size == 8 ? low | (std::uint64_t{readWord(offset + 4)} << 32) : low;
}

void Msix::writeTable(std::uint64_t offset, std::uint64_t value, unsigned size) {
  std::vector<Message> free;
  {
    const std::lock_guard lock(guard_);
    writeWord(offset, static_cast<std::uint32_t>(value));
    if (size == 8) writeWord(offset + 4, static_cast<std::uint32_t>(value >> 32));
    free = takeUnmasked();
  }
  send(free);
}

std::uint64_t Msix::readPending(std::uint64_t offset, unsigned size) const {
  const std::lock_guard lock(guard_);
  std::uint64_t bits = 0;
  for (unsigned bit = 0; bit < 8 * size; ++bit) {
    const std::uint64_t index = offset * 8 + bit;
    if (index < entries_.size() && entries_[index].pending) bits |= std::uint64_t{1} << bit;
  }
  return bits;
}

void Msix::reset() {
  const std::lock_guard lock(guard_);
  std::ranges::fill(entries_, Entry());
  enabled_.store(false, std::memory_order_release);
  functionMasked_ = false;
}

void Msix::save(migrate::StateWriter& to) const {
  const std::lock_guard lock(guard_);
  std::vector<std::uint32_t> words;
  for (std::uint64_t offset = 0; offset < tableSize(); offset += 4) words.push_back(readWord(offset));
  std::vector<std::byte> pending;
  for (const Entry& entry : entries_) pending.push_back(entry.pending ? std::byte{1} : std::byte{0});
  to.putBytes("table", std::as_bytes(std::span(words)));
  to.putBytes("pending", pending);
}

Result<void> Msix::load(migrate::StateReader& from) {
  std::vector<std::uint32_t> words(tableSize() / 4);
  std::vector<std::byte> pending(entries_.size());
  RHEA_CHECK(from.getBytes("table", std::as_writable_bytes(std::span(words))));
  RHEA_CHECK(from.getBytes("pending", pending));
  const std::lock_guard lock(guard_);
  for (std::size_t i = 0; i < words.size(); ++i) writeWord(i * 4, words[i]);
  for (std::size_t i = 0; i < pending.size(); ++i) entries_[i].pending = pending[i] != std::byte{0};
  return success();
}

}  // namespace rhea::pci
