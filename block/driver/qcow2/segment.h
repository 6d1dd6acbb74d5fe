// Segment: a part of the disk that is of one kind and, where it is stored, lies in one piece.
#pragma once

#include "block/core/extent.h"
#include "block/driver/qcow2/cluster-entry.h"
#include "block/driver/qcow2/table-cache.h"

namespace rhea::block::qcow2 {

struct Image;

struct Segment {
  enum class Kind : std::uint8_t {
    kUnallocated,  // what is behind the image shows
    kZero,
    kData,     // at `host` of the data file
    kPacked,   // compressed; `entry` says where; one cluster
    kDamaged,  // `entry` cannot be
  };
  Kind kind = Kind::kUnallocated;
  std::uint64_t length = 0;  // bytes
  bool hasHost = false;      // of kData always; of kZero and kUnallocated: space is kept, its content does not count
  std::uint64_t host = 0;    // bytes; with hasHost
  bool copied = false;       // of kData: may be written in place
  ClusterEntry entry;
  const char* problem = nullptr;
};

// What is at the start of `at`, and how far it goes: at most to the end of `at`, and of what the slice describes.
// `slice` is that of `at.offset`; empty: there is no L2 table.
Segment segmentAt(const Image& image, const TableCache::Hold& slice, Extent at);

}  // namespace rhea::block::qcow2
