#include "hw/core/device.h"

namespace rhea::hw {

namespace {

void collect(object::Object& at, std::vector<Device*>& list) {
  if (auto* device = dynamic_cast<Device*>(&at); device != nullptr) list.push_back(device);
  for (const auto& child : at.children()) collect(*child, list);
}

}  // namespace

std::string Device::label() const { return fmt::format("device '{}'", id_.empty() ? devicePath() : id_); }

void Device::save(migrate::StateWriter&) const {}

Result<void> Device::load(migrate::StateReader& from) { return from.finish(); }

void Device::setPlace(Bus* bus, std::string id, std::string path) {
  bus_ = bus;
  id_ = std::move(id);
  path_ = std::move(path);
}

Task<void> resetDevices(object::Object& top) {
  std::vector<Device*> devices;
  collect(top, devices);
  for (Device* device : devices) co_await device->reset();
}

}  // namespace rhea::hw
