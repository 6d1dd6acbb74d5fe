// Making a VDI (blockdev-create, rhea-img create): an empty one, or a clone of a snapshot.
#pragma once

#include "block/core/driver-info.h"

namespace rhea::block::sheepdog {

// qapi::BlockdevCreateOptionsSheepdog.
Task<Result<void>> createImage(CreateContext context, DriverOptions options);

}  // namespace rhea::block::sheepdog
