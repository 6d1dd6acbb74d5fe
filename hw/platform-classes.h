// The classes of the devices that are part of a PC's board. Users do not make them.
#pragma once

#include "emu/object/class.h"

namespace rhea::hw {

void addPlatformClasses(object::ClassTable& classes);

}  // namespace rhea::hw
