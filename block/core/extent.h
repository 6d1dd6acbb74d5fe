// Extent: a range of a node or disk, in bytes.
#pragma once

#include "emu/base/base.h"

namespace rhea::block {

struct Extent {
  constexpr Extent() = default;
  constexpr Extent(std::uint64_t at, std::uint64_t bytes) : offset(at), length(bytes) {}

  std::uint64_t offset = 0;
  std::uint64_t length = 0;

  constexpr std::uint64_t end() const { return offset + length; }
  constexpr bool empty() const { return length == 0; }
  // Whether offset + length stays below 2^63: what host files and the wire can express.
  constexpr bool representable() const { return offset <= kMost && length <= kMost - offset; }
  constexpr bool overlaps(Extent other) const {
    return length != 0 && other.length != 0 && offset < other.end() && other.offset < end();
  }
  constexpr bool contains(Extent other) const { return offset <= other.offset && other.end() <= end(); }
  constexpr bool isAligned(std::uint64_t alignment) const { return offset % alignment == 0 && length % alignment == 0; }
  // The smallest aligned extent around this one.
  constexpr Extent alignedOut(std::uint64_t alignment) const {
    const std::uint64_t begin = offset / alignment * alignment;
    return {begin, (end() + alignment - 1) / alignment * alignment - begin};
  }
  constexpr Extent slice(std::uint64_t skip, std::uint64_t bytes) const { return {offset + skip, bytes}; }

  friend constexpr bool operator==(Extent, Extent) = default;

  static constexpr std::uint64_t kMost = INT64_MAX;
};

}  // namespace rhea::block
