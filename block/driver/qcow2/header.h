// Header: the first cluster of a qcow2 image, read and written: fields, extensions, the backing file's name.
//
// What is not understood and may be kept (additional fields, extensions) is kept when the header is written again. What
// is not understood and matters is refused by name, as the image itself names it.
#pragma once

#include "block/driver/qcow2/format.h"

namespace rhea::block::qcow2 {

// Of a type that this program does not know.
struct UnknownExtension {
  std::uint32_t type = 0;
  std::vector<std::byte> data;
  friend bool operator==(const UnknownExtension&, const UnknownExtension&) = default;
};

// One row of the image's own table of feature names.
struct FeatureName {
  enum class Kind : std::uint8_t { kIncompatible = 0, kCompatible = 1, kAutoclear = 2 };
  Kind kind = Kind::kIncompatible;
  std::uint8_t bit = 0;
  std::string name;
  friend bool operator==(const FeatureName&, const FeatureName&) = default;
};

// Where the directory of persistent bitmaps is.
struct BitmapsExtension {
  std::uint32_t count = 0;
  std::uint64_t directoryBytes = 0;
  std::uint64_t directoryOffset = 0;
  friend bool operator==(const BitmapsExtension&, const BitmapsExtension&) = default;
};

struct Header {
  // What the image is read for: a check, or salvage, accepts refcount tables that point anywhere, because they can be
  // made anew, and tables of snapshots and bitmaps that are not in the file.
  enum class Use : std::uint8_t { kOpen, kCheck };

  std::uint32_t version = 3;
  std::uint32_t clusterBits = 16;
  std::uint64_t size = 0;  // of the disk, bytes
  std::uint32_t l1Entries = 0;
  std::uint64_t l1Offset = 0;
  std::uint64_t refcountTableOffset = 0;
  std::uint32_t refcountTableClusters = 0;
  std::uint32_t snapshotCount = 0;
  std::uint64_t snapshotsOffset = 0;
  std::uint64_t incompatible = 0;
  std::uint64_t compatible = 0;
  std::uint64_t autoclear = 0;
  std::uint32_t refcountOrder = 4;
  Compression compression = Compression::kZlib;
  std::string backingFile;  // empty: none
  std::string backingFormat;
  std::string dataFile;
  std::vector<FeatureName> featureNames;
  std::optional<BitmapsExtension> bitmaps;
  std::vector<std::byte> moreFields;  // behind the compression type, as they were
  std::vector<UnknownExtension> unknownExtensions;

  Geometry geometry() const { return {clusterBits, refcountOrder, hasExtendedL2()}; }
  std::uint64_t clusterSize() const { return std::uint64_t{1} << clusterBits; }
  bool isDirty() const { return (incompatible & kDirty) != 0; }
  bool isCorrupt() const { return (incompatible & kCorrupt) != 0; }
  bool hasExternalData() const { return (incompatible & kExternalData) != 0; }
  bool isRawExternalData() const { return (autoclear & kRawExternalData) != 0; }
  bool hasExtendedL2() const { return (incompatible & kExtendedL2) != 0; }
  bool hasLazyRefcounts() const { return (compatible & kLazyRefcounts) != 0; }
  // The bitmaps can be believed: nobody wrote to the image who does not know of them.
  bool hasConsistentBitmaps() const { return bitmaps.has_value() && (autoclear & kBitmapsConsistent) != 0; }

  // How many bytes from the start of the file parse() wants: at most the first cluster, or what there is of it, and
  // less where `head` shows where the header ends. `head` are the first bytes, 32 at least or all there are. Error: not
  // a qcow2 image, a cluster size that cannot be.
  static Result<std::uint64_t> headBytes(std::span<const std::byte> head, std::uint64_t fileLength);

  // `head`: as many bytes as headBytes() says. Everything that the header says is checked against the format's limits,
  // the file's length and itself. Errors name the field, its value and what could be.
  static Result<Header> parse(std::span<const std::byte> head, std::uint64_t fileLength, Use use = Use::kOpen);

  // The bytes from the start of the file on, zero up to the next multiple of 512; whatever stands behind them in the
  // first cluster need not be cleared. Version 2 images lose nothing, but can keep no version 3 field: a bug of the
  // caller. Error: names and extensions do not fit the first cluster.
  Result<std::vector<std::byte>> serialise() const;

  friend bool operator==(const Header&, const Header&) = default;
};

// The names of this program's features, as they go into images (FeatureName rows in the order of bits).
std::span<const FeatureName> standardFeatureNames();

// 0 or 100: how likely the first bytes are a qcow2 image.
int probeHeader(std::span<const std::byte> head);

}  // namespace rhea::block::qcow2
