// From the schema's description of a node (blockdev-add, -blockdev, -drive) to the one that block/core opens.
#pragma once

#include "block/core/node-options.h"
#include "qapi/types-block-options.h"

namespace rhea::block {

// Inline children become inline children; nothing is opened or looked up.
NodeOptions nodeOptionsOf(const qapi::BlockdevOptions& options);

}  // namespace rhea::block
