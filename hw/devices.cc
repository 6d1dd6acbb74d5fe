#include "hw/devices.h"

#include "hw/pci/pci-host.h"

namespace rhea::hw {

void addDeviceClasses(object::ClassTable& classes) {
  pci::PciBus::addClasses(classes);
  pci::PciDevice::addClass(classes);
  pci::PciHost::addClasses(classes);
}

}  // namespace rhea::hw
