#include "hw/core/bus.h"

namespace rhea::hw {

Result<void> Bus::plug(Device& device, bool /*running*/) {
  devices_.push_back(&device);
  return success();
}

Result<void> Bus::requestUnplug(Device& device, Unplugger& /*unplugger*/) {
  return Error(fmt::format("{} is in bus '{}', from which nothing can be taken while the machine runs", device.label(),
                           name()))
      .hint("plug it into a pcie-root-port to be able to take it out");
}

void Bus::unplug(Device& device) { std::erase(devices_, &device); }

}  // namespace rhea::hw
