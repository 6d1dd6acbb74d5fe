// Changing the disk's size.
#pragma once

#include "block/core/abilities.h"

namespace rhea::block::qcow2 {

struct Image;

// The node keeps other changes out meanwhile. Errors: the L1 table would be too long; snapshots of an image of version
// 2; the file's.
Task<Result<void>> resizeImage(Image& image, std::uint64_t length, Preallocation preallocation);

// An L1 table of that many entries at least, where the present one has fewer.
Task<Result<void>> growL1(Image& image, std::uint64_t entries);

// Gives every cluster of the range a place: its tables alone (kMetadata), reserved or written in the file.
Task<Result<void>> preallocate(Image& image, Extent at, Preallocation how);

}  // namespace rhea::block::qcow2
