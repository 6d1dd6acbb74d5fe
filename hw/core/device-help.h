// Lists of devices and their properties as people read them: -device help, -device TYPE,help, info qtree.
#pragma once

#include "hw/core/device-tree.h"

namespace rhea::hw {

// Every type that -device can make, by the kind of bus, with its first line.
std::string deviceHelp(const object::ClassTable& classes);
// The properties of one type. Error: no such type.
Result<std::string> deviceHelp(const object::ClassTable& classes, std::string_view driver);
// Buses, devices and the values of their properties.
std::string drawQtree(const object::ObjectTree& tree, const DeviceTree& devices);

}  // namespace rhea::hw
