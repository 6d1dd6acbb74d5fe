#include "hw/core/built-in.h"

namespace rhea::hw {

Task<Result<Device*>> addBuiltIn(object::Object& parent, std::string name, std::unique_ptr<Device> device, Bus* bus) {
  const std::string above = parent.path();
  device->setName(name);
  device->setPlace(bus, {}, above + (above.ends_with('/') ? "" : "/") + name);
  if (bus != nullptr) RHEA_CO_CHECK(bus->plug(*device, false));
  Result<void> completed = co_await device->complete();
  if (!completed.ok()) {
    if (bus != nullptr) bus->unplug(*device);
    co_return completed.takeError().context(name);
  }
  Device& made = *device;
  parent.adopt(std::move(name), std::move(device));
  if (bus != nullptr) bus->show(made, false);
  co_return &made;
}

}  // namespace rhea::hw
