// Feature bits and numbers of virtio that several files speak of (virtio 1.2, 2.1, 5 and 6).
#pragma once

#include "emu/base/base.h"

namespace rhea::virtio {

constexpr std::uint64_t bit(unsigned number) { return std::uint64_t{1} << number; }

// Of every device.
enum CommonFeature : std::uint64_t {
  kNotifyOnEmpty = bit(24),  // legacy
  kAnyLayout = bit(27),      // legacy
  kIndirect = bit(28),
  kEventIndex = bit(29),
  kVersion1 = bit(32),
};

enum Status : std::uint8_t {
  kAcknowledge = 1,
  kDriver = 2,
  kDriverOk = 4,
  kFeaturesOk = 8,
  kNeedsReset = 64,
  kFailed = 128,
};

constexpr unsigned kMostQueueSize = 1024;
// Descriptors of one chain, in the ring or in an indirect table.
constexpr unsigned kMostSegments = 1024;
constexpr std::uint16_t kNoVector = 0xffff;

}  // namespace rhea::virtio
