// The job of blockdev-create: makes an image without opening it for use.
#pragma once

#include "block/core/graph.h"
#include "block/job/job.h"
#include "qapi/types-block-options.h"

namespace rhea::block {

// Error: the driver cannot create, a child is described in place (it has to exist).
Result<std::unique_ptr<Job>> makeCreateJob(BlockGraph& graph, const Services& services, std::string id,
                                           qapi::BlockdevCreateOptions options, std::string who);

}  // namespace rhea::block
