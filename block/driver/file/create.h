// blockdev-create for files.
#pragma once

#include "block/core/driver-info.h"

namespace rhea::block {

// Makes a file of the size and preallocation of `options` (the driver's create struct). A file that exists is cut to
// nothing first, unless somebody holds it. On error a file made here is removed again.
Task<Result<void>> createFile(CreateContext context, DriverOptions options);

}  // namespace rhea::block
