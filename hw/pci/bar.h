// Bar: a base address register: a window of a device's registers or memory, which a guest moves.
//
// What is in the window is a list of parts, each mapped into the machine's memory or port space while the window is
// decoded. Guarded by the configuration lock (pci-host.h).
#pragma once

#include "emu/mem/address-space.h"

namespace rhea::pci {

enum class BarKind : std::uint8_t { kNone, kIo, kMemory32, kMemory64, kPrefetch64 };

class Bar {
 public:
  Bar() = default;
  // `size`: a power of two, at least 16 for memory and 4 for ports.
  Bar(BarKind kind, std::uint64_t size) : kind_(kind), size_(size) {}

  BarKind kind() const { return kind_; }
  std::uint64_t size() const { return size_; }
  bool isIo() const { return kind_ == BarKind::kIo; }
  bool is64() const { return kind_ == BarKind::kMemory64 || kind_ == BarKind::kPrefetch64; }
  bool isPrefetch() const { return kind_ == BarKind::kPrefetch64; }
  // The bits of the register that say what it is.
  std::uint32_t typeBits() const;

  void addPart(std::string name, std::uint64_t offset, std::uint64_t size, mem::Target target);
  // Where it is decoded now; nothing: nowhere.
  std::optional<std::uint64_t> at() const { return at_; }
  // The kind of address space that the caller passes must fit isIo().
  void moveTo(std::optional<std::uint64_t> address, mem::AddressSpace& space);

 private:
  struct Part {
    std::string name;
    std::uint64_t offset;
    std::uint64_t size;
    mem::Target target;
  };
  BarKind kind_ = BarKind::kNone;
  std::uint64_t size_ = 0;
  std::vector<Part> parts_;
  std::optional<std::uint64_t> at_;
  std::vector<mem::AddressSpace::Mapping> mappings_;
};

}  // namespace rhea::pci
