// A node whose storage is a piece of memory: the disk images that a cut could have left, and the log of a recording.
// It is no driver of the table: only a graph of the proof knows it.
#pragma once

#include "block/core/driver-info.h"

namespace rhea::block::prove {

struct MemoryImage {
  std::vector<std::byte> bytes;
};
using MemoryImagePtr = std::shared_ptr<MemoryImage>;

// "memory-image"; grows by writes. Its own options are a MemoryImagePtr.
const DriverInfo& memoryImageDriver();
NodeOptions memoryImageNode(MemoryImagePtr image);

}  // namespace rhea::block::prove
