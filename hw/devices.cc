#include "hw/devices.h"

#include "hw/char/debug-console.h"
#include "hw/char/debug-exit.h"
#include "hw/char/isa-serial.h"
#include "hw/misc/pvpanic.h"
#include "hw/pci/pci-host.h"
#include "hw/pci/root-port.h"
#include "hw/platform-classes.h"
#include "hw/virtio/blk/virtio-blk-pci.h"
#include "hw/virtio/net/virtio-net-pci.h"
#include "hw/virtio/rng/virtio-rng-pci.h"

namespace rhea::hw {

void addDeviceClasses(object::ClassTable& classes) {
  addPlatformClasses(classes);
  pci::PciBus::addClasses(classes);
  IsaBus::addClass(classes);
  IsaSerial::addClass(classes);
  DebugConsole::addClass(classes);
  DebugExit::addClass(classes);
  PvPanic::addClass(classes);
  pci::PciDevice::addClass(classes);
  pci::PciHost::addClasses(classes);
  pci::RootPort::addClass(classes);
  virtio::VirtioDevice::addClass(classes);
  virtio::VirtioPci::addClass(classes);
  virtio::VirtioBlkPci::addClasses(classes);
  virtio::VirtioRngPci::addClasses(classes);
  virtio::VirtioNetPci::addClasses(classes);
}

}  // namespace rhea::hw
