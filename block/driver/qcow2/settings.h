// Settings: what the options of a qcow2 node come to.
#pragma once

#include "block/core/node-options.h"
#include "block/driver/qcow2/format.h"

namespace rhea::block::qcow2 {

// The image's own structures, one bit each, for the check that nothing else overwrites them.
enum class Structure : std::uint16_t {
  kHeader = 1,
  kActiveL1 = 2,
  kActiveL2 = 4,
  kRefcountTable = 8,
  kRefcountBlock = 16,
  kSnapshotTable = 32,
  kInactiveL1 = 64,
  kInactiveL2 = 128,
  kBitmapDirectory = 256,
};

struct Settings {
  std::uint64_t l2CacheBytes = 0;
  std::uint32_t l2SliceBytes = 0;
  std::uint64_t refcountCacheBytes = 0;
  std::uint32_t refcountSliceBytes = 0;
  std::uint64_t cleanSeconds = 600;  // 0: never
  std::uint16_t protectedStructures = 0;
  bool lazyRefcounts = false;
  bool discardRequest = false;  // give space back to the file when the guest discards
  bool discardSnapshot = true;  // when a snapshot's use ends
  bool discardOther = false;
};

struct Header;

// `options`: qapi::BlockdevOptionsQcow2. Errors: a size that cannot be, by its key; lazy refcounts of version 2.
Result<Settings> readSettings(const DriverOptions& options, const Header& header, OpenFlags flags);

}  // namespace rhea::block::qcow2
