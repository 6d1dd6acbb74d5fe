// addBuiltIn: what a board has from the start goes the way of every other device: place, complete, tree, bus.
#pragma once

#include "hw/core/bus.h"

namespace rhea::hw {

// Puts `device` into `bus` (null: none), completes it and adopts it below `parent` under `name`. Error: as for
// -device; nothing is left of it.
Task<Result<Device*>> addBuiltIn(object::Object& parent, std::string name, std::unique_ptr<Device> device, Bus* bus);

}  // namespace rhea::hw
