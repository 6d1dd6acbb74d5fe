// The classes of all devices and buses of this build.
#pragma once

#include "emu/object/class.h"

namespace rhea::hw {

void addDeviceClasses(object::ClassTable& classes);

}  // namespace rhea::hw
