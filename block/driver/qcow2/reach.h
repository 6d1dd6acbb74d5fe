// What an L1 table reaches: L2 tables and the clusters that these lead to, in the file. For snapshots, which count all
// of it once more or once less. The image is quiet meanwhile.
#pragma once

#include "block/driver/qcow2/image.h"

namespace rhea::block::qcow2 {

using L1Table = std::vector<std::uint64_t>;

// One user more for all that the table reaches. Error: EOVERFLOW where the refcounts' width does not suffice, of the
// file, of a damaged image; the counts are as before.
Task<Result<void>> raiseReach(Image& image, L1Table l1);

// One user fewer; what nobody uses any more is free when it returns. Nothing on stable storage leads there through this
// table. Error: the rest stays counted (a leak).
Task<Result<void>> lowerReach(Image& image, L1Table l1);

// Brings the "refcount is one" flags of the active tables in step with the refcounts, in memory.
Task<Result<void>> refreshFlags(Image& image);

// Reads an L1 table that is not the active one.
Task<Result<L1Table>> readL1(Image& image, std::uint64_t offset, std::uint32_t entries);

// Puts bytes into new clusters in a row; gives their offset in the file. Nothing leads there yet.
Task<Result<std::uint64_t>> storeNew(Image& image, std::vector<std::byte> bytes);
// The words of an L1 table without their flags, as they are stored for a snapshot.
std::vector<std::byte> bytesOfL1(const L1Table& l1);

}  // namespace rhea::block::qcow2
