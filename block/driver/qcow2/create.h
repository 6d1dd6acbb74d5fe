// Making qcow2 images, and telling how large one would be. See DriverInfo.
#pragma once

#include "block/core/driver-info.h"

namespace rhea::block::qcow2 {

// On the node `file`, whatever was there; `data-file` where the options say so. Errors: options that cannot be, by
// their names; the file's.
Task<Result<void>> createImage(CreateContext context, DriverOptions options);

Task<Result<ImageSizes>> measureImage(DriverOptions options, Child* source, CancelToken cancel);

}  // namespace rhea::block::qcow2
