// Bitmap: one persistent dirty bitmap in memory: what was written to (exactly), and what the image says of it, which
// may be more but never less while it is in use.
#pragma once

#include "block/core/extent.h"
#include "block/driver/qcow2/bitmap-directory.h"

namespace rhea::block::qcow2 {

// Bits in the order of the format: the first one is the least significant of the first byte.
class BitString {
 public:
  BitString() = default;
  explicit BitString(std::uint64_t bits) { resize(bits); }

  std::uint64_t size() const { return bits_; }
  std::span<const std::byte> bytes() const { return bytes_; }
  std::span<std::byte> bytes() { return bytes_; }
  // New ones are 0.
  void resize(std::uint64_t bits) {
    bits_ = bits;
    bytes_.resize(static_cast<std::size_t>((bits + 7) / 8));
    clearTail();
  }
  bool at(std::uint64_t bit) const { return (byteOf(bit) & maskOf(bit)) != std::byte{0}; }
  // [first, end)
  void set(std::uint64_t first, std::uint64_t end) {
    for (; first < end && first % 8 != 0; ++first) bytes_[first / 8] |= maskOf(first);
    for (; first + 8 <= end; first += 8) bytes_[first / 8] = std::byte{0xFF};
    for (; first < end; ++first) bytes_[first / 8] |= maskOf(first);
  }
  bool isSet(std::uint64_t first, std::uint64_t end) const {
    for (; first < end && first % 8 != 0; ++first) {
      if (!at(first)) return false;
    }
    for (; first + 8 <= end; first += 8) {
      if (byteOf(first) != std::byte{0xFF}) return false;
    }
    for (; first < end; ++first) {
      if (!at(first)) return false;
    }
    return true;
  }
  void clear() { std::ranges::fill(bytes_, std::byte{0}); }
  std::uint64_t count() const {
    std::uint64_t sum = 0;
    for (const std::byte byte : bytes_)
      sum += static_cast<std::uint64_t>(std::popcount(std::to_integer<unsigned>(byte)));
    return sum;
  }
  // The first bit at or behind `from` that is `value`; size() where there is none.
  std::uint64_t next(std::uint64_t from, bool value) const {
    const std::byte none = value ? std::byte{0} : std::byte{0xFF};
    while (from < bits_) {
      if (from % 8 == 0 && byteOf(from) == none) {
        from += 8;
      } else if (at(from) == value) {
        return from;
      } else {
        ++from;
      }
    }
    return bits_;
  }
  // What is behind the last bit is 0.
  void clearTail() {
    if (bits_ % 8 != 0) bytes_.back() &= static_cast<std::byte>((1U << bits_ % 8) - 1U);
  }

 private:
  std::byte byteOf(std::uint64_t bit) const { return bytes_[static_cast<std::size_t>(bit / 8)]; }
  static std::byte maskOf(std::uint64_t bit) { return static_cast<std::byte>(1U << bit % 8); }

  std::uint64_t bits_ = 0;
  std::vector<std::byte> bytes_;
};

struct Bitmap {
  BitmapEntry entry;                 // flags as they are on disk
  std::vector<std::uint64_t> table;  // words, as on disk
  bool trusted = true;
  BitString bits;    // what was written to
  BitString stored;  // what the image says; contains all that requests may have written since

  bool isRecording() const { return trusted && entry.isAuto(); }
  std::uint64_t firstBit(Extent at) const { return at.offset >> entry.granularityBits; }
  std::uint64_t endBit(Extent at) const { return std::min(((at.end() - 1) >> entry.granularityBits) + 1, bits.size()); }
  bool knows(Extent at) const {
    const std::uint64_t first = firstBit(at);
    const std::uint64_t end = endBit(at);
    return first >= end || (bits.isSet(first, end) && stored.isSet(first, end));
  }
  static std::uint64_t bitsFor(std::uint64_t size, std::uint32_t granularityBits) {
    return (size >> granularityBits) + ((size & ((std::uint64_t{1} << granularityBits) - 1)) != 0 ? 1 : 0);
  }
};

}  // namespace rhea::block::qcow2
