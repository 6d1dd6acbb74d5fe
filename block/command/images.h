// What nodes tell about their images, asked of all of them at once and for a bounded time: a file system that stopped
// answering must not take the answers about the other disks with it.
#pragma once

#include "block/core/graph.h"

namespace rhea::block {

// In the order of `nodes`; nothing for those that did not answer within `patience`.
Task<std::vector<std::optional<ImageInfo>>> imagesOf(std::vector<NodePtr> nodes, Duration patience);

}  // namespace rhea::block
