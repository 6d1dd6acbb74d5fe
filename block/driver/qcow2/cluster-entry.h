// What an L2 entry says about its cluster, whichever kind of entry the image has.
//
// A cluster is divided into 32 subclusters where the image has extended L2 entries; otherwise it counts as one.
#pragma once

#include "block/driver/qcow2/format.h"

namespace rhea::block::qcow2 {

// As in the table; `bitmap` of extended entries alone.
struct ClusterEntry {
  ClusterEntry() = default;
  ClusterEntry(std::uint64_t theWord, std::uint64_t theBitmap) : word(theWord), bitmap(theBitmap) {}
  std::uint64_t word = 0;
  std::uint64_t bitmap = 0;  // low half: stored in the cluster; high half: reads as zeroes
  friend bool operator==(const ClusterEntry&, const ClusterEntry&) = default;
};

// `at` counts bytes in a table, or a part of one.
inline ClusterEntry entryAt(std::span<const std::byte> table, std::uint64_t at, const Geometry& geometry) {
  const auto place = static_cast<std::size_t>(at);
  return {get<std::uint64_t>(table, place), geometry.extendedL2 ? get<std::uint64_t>(table, place + 8) : 0};
}

inline constexpr std::uint32_t allSubclusters(const Geometry& geometry) {
  return geometry.extendedL2 ? UINT32_MAX : 1U;
}

// Of any word at all: `problem` is for who is going to use what the rest says.
struct ClusterView {
  ClusterView() = default;
  // `external`: offsets are those of the data file, where 0 is a place like others.
  ClusterView(ClusterEntry entry, const Geometry& geometry, bool external) {
    if ((entry.word & kCompressed) != 0) {
      compressed = true;
      data = allSubclusters(geometry);
      if (external) problem = "is compressed, which cannot be with an external data file";
      return;
    }
    host = entry.word & kOffsetMask;
    copied = (entry.word & kCopied) != 0;
    hasHost = host != 0 || (external && copied);
    if (geometry.extendedL2) {
      data = static_cast<std::uint32_t>(entry.bitmap);
      zero = static_cast<std::uint32_t>(entry.bitmap >> 32U);
      if ((data & zero) != 0) problem = "says of a subcluster that it is both stored and zero";
      if (!hasHost && data != 0) problem = "says that subclusters are stored, but not where";
    } else {
      zero = (entry.word & kZeroFlag) != 0 ? 1 : 0;
      data = hasHost && zero == 0 ? 1 : 0;
    }
    if (!geometry.isAligned(host)) problem = "points into the middle of a cluster";
  }

  // The entry that says this; not for compressed clusters.
  ClusterEntry entry(const Geometry& geometry) const {
    const std::uint64_t place = hasHost ? host | (copied ? kCopied : 0) : 0;
    if (geometry.extendedL2) return {place, std::uint64_t{zero} << 32U | data};
    return {place | (zero != 0 ? kZeroFlag : 0), 0};
  }

  bool isUnallocated() const { return !compressed && !hasHost; }

  bool compressed = false;
  bool hasHost = false;
  bool copied = false;  // nobody else uses the cluster: it may be written in place
  std::uint64_t host = 0;
  std::uint32_t data = 0;         // a bit for each subcluster: stored
  std::uint32_t zero = 0;         // reads as zeroes
  const char* problem = nullptr;  // what is wrong with the entry
};

}  // namespace rhea::block::qcow2
