// Amend: options of an image that exists, changed to what a new one would be made with.
#pragma once

#include "block/core/image.h"
#include "block/core/node-options.h"
#include "block/driver/qcow2/image.h"

namespace rhea::block::qcow2 {

// See Amender. The image is quiet. Errors name the first option that cannot change, before anything has.
Task<Result<void>> amendImage(Image& image, DriverOptions options, Progress& progress, CancelToken cancel);

}  // namespace rhea::block::qcow2
