// Compressing and expanding single clusters, as the format's compression types have it. Blocking, thread-safe.
#pragma once

#include "block/driver/qcow2/format.h"

namespace rhea::block::qcow2 {

// Whether this build can do it. Error: says so, and what to do.
Result<void> checkCompression(Compression type);

// The bytes of a cluster; none where they would not be fewer than the cluster's.
std::optional<std::vector<std::byte>> compress(Compression type, std::span<const std::byte> cluster);
// Fills `cluster` from the start of `from`, which may go on behind the compressed data. Error: EIO.
Result<void> expand(Compression type, std::span<const std::byte> from, std::span<std::byte> cluster);

}  // namespace rhea::block::qcow2
