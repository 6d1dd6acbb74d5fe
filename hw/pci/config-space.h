// ConfigSpace: a PCI Express function's 4 KiB of configuration registers as data: the values, which bits a guest can
// write, and which it clears by writing ones.
//
// Side effects are its owner's: it looks at what a write may have changed. Not guarded by itself.
#pragma once

#include "emu/base/base.h"

namespace rhea::pci {

class ConfigSpace {
 public:
  static constexpr std::size_t kSize = 4096;

  // --- the hardware's side
  template <class T>
  T get(std::size_t offset) const {
    T value;
    std::memcpy(&value, &bytes_[offset], sizeof value);
    return value;
  }
  template <class T>
  void set(std::size_t offset, T value) {
    std::memcpy(&bytes_[offset], &value, sizeof value);
  }
  // The bits that a guest can write.
  template <class T>
  void writable(std::size_t offset, T mask) {
    std::memcpy(&writable_[offset], &mask, sizeof mask);
  }
  // The bits that a guest clears by writing ones.
  template <class T>
  void clearable(std::size_t offset, T mask) {
    std::memcpy(&clearable_[offset], &mask, sizeof mask);
  }
  // What is set now is what reset() goes back to.
  void seal() { initial_ = bytes_; }
  void reset() { bytes_ = initial_; }

  // --- the guest's side: 1, 2 or 4 bytes; beyond the end all ones, and nothing happens.
  std::uint32_t read(std::size_t offset, unsigned size) const;
  void write(std::size_t offset, std::uint32_t value, unsigned size);

  std::span<const std::byte> bytes() const { return bytes_; }
  // A saved state's bytes, taken only where a guest could have written or cleared: the rest must be as it is. Error:
  // the offset that differs.
  Result<void> load(std::span<const std::byte> saved, std::span<const std::pair<std::size_t, std::size_t>> free);

 private:
  using Bytes = std::array<std::byte, kSize>;
  Bytes bytes_{};
  Bytes writable_{};
  Bytes clearable_{};
  Bytes initial_{};
};

// Whether a write of `size` bytes at `offset` touches [from, from + length).
constexpr bool touches(std::size_t offset, unsigned size, std::size_t from, std::size_t length) {
  return offset < from + length && from < offset + size;
}

}  // namespace rhea::pci
