// Numbers of the virtio block device (virtio 1.2, 5.2.3, 5.2.4, 5.2.6).
#pragma once

#include "hw/virtio/features.h"

namespace rhea::virtio::blk {

enum Feature : std::uint64_t {
  kSegMax = bit(2),
  kReadOnly = bit(5),
  kBlockSize = bit(6),
  kFlush = bit(9),
  kTopology = bit(10),
  kConfigWce = bit(11),
  kMultiQueue = bit(12),
  kDiscard = bit(13),
  kWriteZeroes = bit(14),
};

enum Type : std::uint32_t {
  kIn = 0,
  kOut = 1,
  kFlushRequest = 4,
  kGetId = 8,
  kDiscardRequest = 11,
  kWriteZeroesRequest = 13,
};

// Configuration registers.
enum Register : std::uint8_t {
  kCapacity = 0,
  kSegMaxAt = 12,
  kBlockSizeAt = 20,
  kPhysicalExponent = 24,
  kMinIoSize = 26,
  kOptIoSize = 28,
  kWriteback = 32,
  kQueues = 34,
  kMostDiscardSectors = 36,
  kMostDiscardSegments = 40,
  kDiscardAlignment = 44,
  kMostZeroesSectors = 48,
  kMostZeroesSegments = 52,
  kZeroesMayUnmap = 56,
  kConfigSize = 60,
};

constexpr std::uint64_t kSector = 512;
constexpr std::size_t kHeaderSize = 16;
constexpr std::size_t kIdSize = 20;
constexpr std::uint32_t kMostRangeSectors = 0x3fffff;  // of one range to discard or zero: 2 GiB
constexpr std::uint32_t kMostRanges = 16;
constexpr std::size_t kRangeSize = 16;
constexpr std::uint32_t kUnmap = 1;  // flag of a range to zero

}  // namespace rhea::virtio::blk
