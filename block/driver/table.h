// The drivers that this build has; main and the tools make a DriverRegistry of it.
#pragma once

#include "block/core/driver-info.h"

namespace rhea::block {

std::span<const DriverInfo* const> allDrivers();

}  // namespace rhea::block
