#include "hw/virtio/net/virtio-net-pci.h"

#include "emu/object/tree.h"

namespace rhea::virtio {

const object::Property VirtioNetPci::kProperties[] = {
    object::field<&VirtioNetPci::options_, &NetOptions::netdev>("netdev", "", "the network back end; none: no cable"),
    object::field<&VirtioNetPci::options_, &NetOptions::mac>(
        "mac", "", "the card's address; 52:54:00:12:34:56 and on when left out"),
    object::field<&VirtioNetPci::options_, &NetOptions::queueSize>("rx_queue_size", "256",
                                                                   "entries of each queue, a power of two"),
    object::field<&VirtioNetPci::options_, &NetOptions::bootIndex>(
        "bootindex", "-1", "place in the firmware's order; -1: none. Without firmware nothing follows from it"),
};

void VirtioNetPci::addClasses(object::ClassTable& classes) {
  object::Class device;
  device.name = "virtio-net-device";
  device.parent = "virtio-device";
  device.doc = "a virtio network card without its transport";
  classes.add(std::move(device));
  object::Class type;
  type.name = "virtio-net-pci";
  type.parent = "virtio-pci";
  type.doc = "a virtio network card";
  type.alias = "virtio-net";
  type.properties = kProperties;
  type.make = [](const object::Class& made, const Services& services) -> std::unique_ptr<object::Object> {
    return std::make_unique<VirtioNetPci>(made, services);
  };
  classes.add(std::move(type));
}

std::unique_ptr<VirtioDevice> VirtioNetPci::makeDevice() {
  const object::ClassTable& classes = services().get<object::ObjectTree>().classes();
  return std::make_unique<NetDevice>(*classes.find("virtio-net-device"), services(), options_);
}

}  // namespace rhea::virtio
