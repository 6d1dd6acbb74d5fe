// The directory of persistent bitmaps of a qcow2 image, in memory and on disk, and the tables that it points to.
#pragma once

#include "block/core/child.h"
#include "block/driver/qcow2/header.h"

namespace rhea::block::qcow2 {

struct BitmapEntry {
  std::uint64_t tableOffset = 0;
  std::uint32_t tableEntries = 0;
  std::uint32_t flags = 0;  // kBitmapInUse, kBitmapAuto, kBitmapExtraCompatible
  std::uint32_t granularityBits = 16;
  std::string name;
  std::vector<std::byte> extra;

  bool isInUse() const { return (flags & kBitmapInUse) != 0; }
  bool isAuto() const { return (flags & kBitmapAuto) != 0; }
  std::uint64_t granularity() const { return std::uint64_t{1} << granularityBits; }
  friend bool operator==(const BitmapEntry&, const BitmapEntry&) = default;
};

// Bytes of the data of a bitmap for a disk of `size`, and the table entries (one for each cluster of it).
std::uint64_t bitmapBytes(std::uint64_t size, std::uint32_t granularityBits);
std::uint64_t bitmapTableEntries(std::uint64_t size, std::uint32_t granularityBits, const Geometry& geometry);

// `directory`: exactly as many bytes as the header's extension says. Errors: what entry, what is wrong with it. The
// tables are checked for place and size against the file, and the name for being the only one.
Result<std::vector<BitmapEntry>> parseBitmapDirectory(std::span<const std::byte> directory, const Header& header,
                                                      std::uint64_t fileLength);
std::vector<std::byte> serialiseBitmapDirectory(std::span<const BitmapEntry> entries);

// From the file; empty where there are none. The header's extension is taken as it is, whether it is consistent or not.
Task<Result<std::vector<BitmapEntry>>> readBitmapDirectory(Child& file, Header header);

// The words of a bitmap's table. Errors: reserved bits, an offset that is not aligned or not in the file.
Task<Result<std::vector<std::uint64_t>>> readBitmapTable(Child& file, Header header, BitmapEntry entry);

}  // namespace rhea::block::qcow2
