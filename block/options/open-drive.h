// Opens what -drive, drive_add and -blockdev describe.
#pragma once

#include "block/core/graph.h"
#include "block/options/drive-options.h"

namespace rhea::block {

// What opening a drive has to say besides success: the warning about a guessed format.
using NoteSink = std::function<void(std::string note)>;

// Probes the format where it is not known, opens the nodes and attaches the drive; all or nothing.
Task<Result<DiskPtr>> openDrive(BlockGraph& graph, DriveOptions options, ChangeContext context, NoteSink note);

// The host file at the bottom of what -drive describes; null where it is something else.
qapi::BlockdevOptions* fileBelow(qapi::BlockdevOptions& node);

// The argument of -blockdev: JSON, or key=value with dots. Error: as blockdev-add's.
Result<NodeOptions> parseBlockdev(std::string_view text);

}  // namespace rhea::block
