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

void saveDevices(const object::Object& top, migrate::StateWriter& to) {
  const auto* device = dynamic_cast<const Device*>(&top);
  if (device != nullptr) {
    migrate::StateWriter state;
    device->save(state);
    to.putSection(device->devicePath(), state);
    if (device->savesChildren()) return;
  }
  for (const auto& child : top.children()) saveDevices(*child, to);
}

namespace {

Result<void> loadBelow(object::Object& top, migrate::StateReader& from) {
  auto* device = dynamic_cast<Device*>(&top);
  if (device != nullptr) {
    RHEA_TRY(migrate::StateReader state, from.section(device->devicePath()));
    Result<void> loaded = device->load(state);
    if (!loaded.ok()) return loaded.takeError().context(device->label());
    if (device->savesChildren()) return success();
  }
  for (const auto& child : top.children()) RHEA_CHECK(loadBelow(*child, from));
  return success();
}

}  // namespace

Result<void> loadDevices(object::Object& top, migrate::StateReader& from) {
  RHEA_CHECK(loadBelow(top, from));
  return from.finish();
}

Task<void> finishAsked(object::Object& top) {
  std::vector<Device*> devices;
  collect(top, devices);
  for (Device* device : devices) co_await device->finishAsked();
}

Task<void> resetDevices(object::Object& top) {
  std::vector<Device*> devices;
  collect(top, devices);
  for (Device* device : devices) co_await device->reset();
}

}  // namespace rhea::hw
