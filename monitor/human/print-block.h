// The texts of `info block`, in the layout that people and scripts know.
#pragma once

#include "emu/base/base.h"
#include "qapi/types-block-types.h"

namespace rhea::monitor {

// A paragraph for each drive; with verbose also sizes and thresholds.
std::string printDrives(const std::vector<qapi::BlockInfo>& drives, bool verbose);
// The same for nodes (info block -n).
std::string printNodesAsMedia(const std::vector<qapi::BlockDeviceInfo>& nodes, bool verbose);

}  // namespace rhea::monitor
