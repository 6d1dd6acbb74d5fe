// What a qcow2 image looks like on disk: constants, the words of its tables, and the arithmetic of its geometry.
//
// Source: the public description of the format ("qcow2 image file format", versions 2 and 3). All integers are big
// endian; all offsets are bytes in the image file unless they say otherwise. Nothing here does I/O.
#pragma once

#include "emu/base/base.h"
#include "emu/base/bug.h"
#include "emu/base/bytes.h"

namespace rhea::block::qcow2 {

// --- Integers in tables held in memory.

// `at` counts bytes; reading outside is a bug of the caller, who checks sizes when a table comes from the image.
template <std::unsigned_integral Integer>
Integer get(std::span<const std::byte> from, std::size_t at) {
  if (at > from.size() || sizeof(Integer) > from.size() - at) bug("qcow2: a read outside its table");
  return loadBig<Integer>(from.data() + at);
}
template <std::unsigned_integral Integer>
void put(std::span<std::byte> to, std::size_t at, std::type_identity_t<Integer> value) {
  if (at > to.size() || sizeof(Integer) > to.size() - at) bug("qcow2: a write outside its table");
  storeBig<Integer>(to.data() + at, value);
}

// --- Header.

constexpr std::uint32_t kMagic = 0x514649FB;  // "QFI\xfb"
constexpr std::size_t kHeaderBytesV2 = 72;
constexpr std::size_t kHeaderBytesV3 = 104;  // the least; what follows are additional fields
// Where single fields are, for whoever changes one without writing the whole header.
constexpr std::uint64_t kAtSize = 24;
constexpr std::uint64_t kAtL1Size = 36;    // 4 bytes, then 8 of the offset
constexpr std::uint64_t kAtL1Offset = 40;  // 8 bytes
constexpr std::uint64_t kAtRefcountTable = 48;
constexpr std::uint64_t kAtRefcountTableClusters = 56;
constexpr std::uint64_t kAtSnapshotCount = 60;
constexpr std::uint64_t kAtSnapshotsOffset = 64;
constexpr std::uint64_t kAtIncompatible = 72;
constexpr std::uint64_t kAtCompatible = 80;
constexpr std::uint64_t kAtAutoclear = 88;
constexpr std::uint64_t kAtRefcountOrder = 96;
constexpr std::uint64_t kAtCompression = 104;  // one byte

// Bits of Header::incompatible.
constexpr std::uint64_t kDirty = 1U << 0U;         // refcounts may be wrong: rebuild before use
constexpr std::uint64_t kCorrupt = 1U << 1U;       // not to be written to but by a repair
constexpr std::uint64_t kExternalData = 1U << 2U;  // guest clusters are in another file, one to one
constexpr std::uint64_t kCompressionType = 1U << 3U;
constexpr std::uint64_t kExtendedL2 = 1U << 4U;
constexpr std::uint64_t kKnownIncompatible = kDirty | kCorrupt | kExternalData | kCompressionType | kExtendedL2;
// Bits of Header::compatible.
constexpr std::uint64_t kLazyRefcounts = 1U << 0U;
// Bits of Header::autoclear.
constexpr std::uint64_t kBitmapsConsistent = 1U << 0U;
constexpr std::uint64_t kRawExternalData = 1U << 1U;
// This program's own: bitmaps that are marked as in use say of everything written since that it was. Whoever does not
// know the bit clears it before he writes (docs/design/qcow2-metadata.md).
constexpr std::uint64_t kBitmapsCovered = std::uint64_t{1} << 57U;
constexpr std::uint64_t kKnownAutoclear = kBitmapsConsistent | kRawExternalData | kBitmapsCovered;

enum class Compression : std::uint8_t { kZlib = 0, kZstd = 1 };

// Types of header extensions.
constexpr std::uint32_t kExtensionEnd = 0;
constexpr std::uint32_t kExtensionBackingFormat = 0xE2792ACA;
constexpr std::uint32_t kExtensionFeatureNames = 0x6803F857;
constexpr std::uint32_t kExtensionBitmaps = 0x23852875;
constexpr std::uint32_t kExtensionEncryption = 0x0537BE77;
constexpr std::uint32_t kExtensionDataFile = 0x44415441;

// --- Limits. Those of the classic implementation, so that what one makes the other opens.

constexpr std::uint32_t kLeastClusterBits = 9;
constexpr std::uint32_t kMostClusterBits = 21;
constexpr std::uint32_t kLeastExtendedClusterBits = 14;
constexpr std::uint32_t kMostRefcountOrder = 6;
constexpr std::uint64_t kMostL1Bytes = 32U << 20U;
constexpr std::uint64_t kMostRefcountTableBytes = 8U << 20U;
constexpr std::uint32_t kMostSnapshots = 65536;
constexpr std::uint64_t kMostSnapshotTableBytes = 64U << 20U;
constexpr std::uint32_t kMostSnapshotExtraBytes = 1024;
constexpr std::uint32_t kMostBitmaps = 65535;
constexpr std::uint64_t kMostBitmapDirectoryBytes = 64U << 20U;
constexpr std::uint64_t kMostBitmapTableEntries = 0x8000000 / 8;
constexpr std::uint64_t kMostBitmapBytes = 0x20000000;  // of one bitmap's data: 512 MiB
constexpr std::uint32_t kMostBitmapNameBytes = 1023;
constexpr std::uint32_t kLeastGranularityBits = 9;
constexpr std::uint32_t kMostGranularityBits = 31;
constexpr std::uint32_t kMostBackingNameBytes = 1023;
// Host offsets have 56 bits.
constexpr std::uint64_t kMostHostOffset = (std::uint64_t{1} << 56U) - 1;

// --- Words of L1, L2, refcount and bitmap tables.

constexpr std::uint64_t kCopied = std::uint64_t{1} << 63U;      // L1, L2: refcount is exactly one
constexpr std::uint64_t kCompressed = std::uint64_t{1} << 62U;  // L2
constexpr std::uint64_t kZeroFlag = 1;                          // L2 without subclusters
constexpr std::uint64_t kOffsetMask = 0x00FFFFFFFFFFFE00;       // L1, L2, bitmap tables
constexpr std::uint64_t kRefcountOffsetMask = 0xFFFFFFFFFFFFFE00;
constexpr std::uint64_t kL1Reserved = 0x7F000000000001FF;
constexpr std::uint64_t kL2Reserved = 0x3F000000000001FE;  // of standard clusters; with subclusters bit 0 as well
constexpr std::uint64_t kRefcountReserved = 0x1FF;
constexpr std::uint64_t kBitmapReserved = 0xFF000000000001FE;
constexpr std::uint64_t kBitmapAllOnes = 1;  // where the offset is 0

// --- Geometry: sizes that follow from the header.

struct Geometry {
  constexpr Geometry() = default;
  constexpr Geometry(std::uint32_t theClusterBits, std::uint32_t theRefcountOrder, bool subclusters)
      : clusterBits(theClusterBits), refcountOrder(theRefcountOrder), extendedL2(subclusters) {}

  std::uint32_t clusterBits = 16;
  std::uint32_t refcountOrder = 4;
  bool extendedL2 = false;

  constexpr std::uint64_t clusterSize() const { return std::uint64_t{1} << clusterBits; }
  constexpr std::uint64_t inCluster(std::uint64_t offset) const { return offset & (clusterSize() - 1); }
  constexpr std::uint64_t clusterStart(std::uint64_t offset) const { return offset & ~(clusterSize() - 1); }
  constexpr bool isAligned(std::uint64_t offset) const { return inCluster(offset) == 0; }
  // Clusters that `bytes` fill, the last one perhaps in part.
  constexpr std::uint64_t clustersFor(std::uint64_t bytes) const {
    return (bytes >> clusterBits) + (inCluster(bytes) != 0 ? 1 : 0);
  }

  constexpr std::uint32_t l2EntryBytes() const { return extendedL2 ? 16 : 8; }
  constexpr std::uint64_t l2Entries() const { return clusterSize() / l2EntryBytes(); }
  constexpr std::uint32_t l2Bits() const { return clusterBits - (extendedL2 ? 4U : 3U); }
  // Bytes of the disk that one L2 table describes; 2^39 at most.
  constexpr std::uint64_t l2Reach() const { return clusterSize() << l2Bits(); }
  constexpr std::uint64_t l1Index(std::uint64_t guest) const { return guest >> (clusterBits + l2Bits()); }
  constexpr std::uint64_t l2Index(std::uint64_t guest) const { return (guest >> clusterBits) & (l2Entries() - 1); }
  // L1 entries that a disk of `bytes` needs.
  constexpr std::uint64_t l1EntriesFor(std::uint64_t bytes) const {
    return l1Index(bytes) + ((bytes & (l2Reach() - 1)) != 0 ? 1 : 0);
  }

  constexpr std::uint32_t subclusters() const { return extendedL2 ? 32 : 1; }
  constexpr std::uint64_t subclusterSize() const { return clusterSize() / subclusters(); }

  constexpr std::uint32_t refcountBits() const { return 1U << refcountOrder; }
  constexpr std::uint64_t refcountBlockEntries() const { return clusterSize() * 8 >> refcountOrder; }
  constexpr std::uint64_t mostRefcount() const {
    return refcountOrder == kMostRefcountOrder ? UINT64_MAX : (std::uint64_t{1} << refcountBits()) - 1;
  }
  // Bytes of the image file that one refcount block describes.
  constexpr std::uint64_t refcountBlockReach() const { return refcountBlockEntries() << clusterBits; }

  // Of a compressed cluster's word: where its host offset ends and the count of further sectors begins.
  constexpr std::uint32_t compressedShift() const { return 62 - (clusterBits - 8); }

  friend constexpr bool operator==(const Geometry&, const Geometry&) = default;
};

// A compressed cluster's place: from `offset`, at most `bytes` (whole sectors counted from the one `offset` is in).
struct CompressedPlace {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  constexpr std::uint64_t end() const { return offset + bytes; }
};

constexpr CompressedPlace compressedPlace(std::uint64_t word, const Geometry& geometry) {
  const std::uint32_t shift = geometry.compressedShift();
  const std::uint64_t offset = word & ((std::uint64_t{1} << shift) - 1) & kMostHostOffset;
  const std::uint64_t sectors = ((word & ~(kCopied | kCompressed)) >> shift) + 1;
  return {offset, sectors * 512 - (offset & 511U)};
}

// `bytes` is at most a cluster. The reader sees whole sectors, the last one perhaps longer than the data.
constexpr std::uint64_t compressedWord(std::uint64_t offset, std::uint64_t bytes, const Geometry& geometry) {
  const std::uint64_t sectors = (offset + bytes - 1) / 512 - offset / 512;
  return kCompressed | (sectors << geometry.compressedShift()) | offset;
}

// --- Refcount blocks: entries of 1 to 64 bits; below a byte the least significant bits come first.

inline std::uint64_t refcountAt(std::span<const std::byte> block, std::uint64_t index, std::uint32_t order) {
  if (order >= 3) {
    const auto at = static_cast<std::size_t>(index << (order - 3U));
    switch (order) {
      case 3:
        return get<std::uint8_t>(block, at);
      case 4:
        return get<std::uint16_t>(block, at);
      case 5:
        return get<std::uint32_t>(block, at);
      default:
        return get<std::uint64_t>(block, at);
    }
  }
  const auto bits = 1U << order;
  const auto shift = static_cast<std::uint32_t>((index << order) & 7U);
  return (get<std::uint8_t>(block, static_cast<std::size_t>(index >> (3U - order))) >> shift) & ((1U << bits) - 1U);
}

// `value` fits the entry.
inline void putRefcount(std::span<std::byte> block, std::uint64_t index, std::uint32_t order, std::uint64_t value) {
  if (order >= 3) {
    const auto at = static_cast<std::size_t>(index << (order - 3U));
    switch (order) {
      case 3:
        return put<std::uint8_t>(block, at, static_cast<std::uint8_t>(value));
      case 4:
        return put<std::uint16_t>(block, at, static_cast<std::uint16_t>(value));
      case 5:
        return put<std::uint32_t>(block, at, static_cast<std::uint32_t>(value));
      default:
        return put<std::uint64_t>(block, at, value);
    }
  }
  const auto bits = 1U << order;
  const auto shift = static_cast<std::uint32_t>((index << order) & 7U);
  const auto at = static_cast<std::size_t>(index >> (3U - order));
  const std::uint32_t mask = ((1U << bits) - 1U) << shift;
  const std::uint32_t old = get<std::uint8_t>(block, at);
  put<std::uint8_t>(block, at, static_cast<std::uint8_t>((old & ~mask) | (static_cast<std::uint32_t>(value) << shift)));
}

// --- Snapshot table and bitmap directory: the fixed part of an entry, before what has variable length.

constexpr std::size_t kSnapshotEntryBytes = 40;
constexpr std::size_t kSnapshotExtraBytesV3 = 16;       // VM state and disk size; what version 3 asks for
constexpr std::size_t kSnapshotExtraInstructions = 24;  // and the count of instructions behind them
constexpr std::size_t kBitmapEntryBytes = 24;
constexpr std::uint32_t kBitmapInUse = 1U << 0U;
constexpr std::uint32_t kBitmapAuto = 1U << 1U;
constexpr std::uint32_t kBitmapExtraCompatible = 1U << 2U;
constexpr std::uint32_t kBitmapKnownFlags = kBitmapInUse | kBitmapAuto | kBitmapExtraCompatible;
constexpr std::uint8_t kBitmapDirtyTracking = 1;

}  // namespace rhea::block::qcow2
