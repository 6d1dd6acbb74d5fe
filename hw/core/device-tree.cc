#include "hw/core/device-tree.h"

#include "emu/base/names.h"
#include "qapi/events-device.h"

namespace rhea::hw {

namespace {

constexpr std::array<std::string_view, 4> kNoProperties = {"driver", "id", "bus", "qom-type"};

template <class T>
void collect(object::Object& at, std::vector<T*>& list) {
  if (auto* found = dynamic_cast<T*>(&at); found != nullptr) list.push_back(found);
  for (const auto& child : at.children()) collect(*child, list);
}

template <class T>
std::vector<T*> allOf(object::ObjectTree& tree) {
  std::vector<T*> list;
  collect(tree.container("machine"), list);
  return list;
}

Result<std::optional<std::string>> textOf(json::View options, std::string_view key) {
  const std::optional<json::View> value = options.find(key);
  if (!value) return std::optional<std::string>();
  if (!value->isString()) {
    return Error(fmt::format("'{}' is no string but {}", key, json::describe(value->kind()))).where(std::string(key));
  }
  return std::optional<std::string>(value->asString());
}

}  // namespace

DeviceTree::DeviceTree(object::ObjectTree& tree, const Services& services, Loop& main, EventSink& events)
    : tree_(tree), services_(services), main_(main), events_(events) {}

DeviceTree::~DeviceTree() = default;

std::vector<const object::Class*> DeviceTree::creatable(const object::ClassTable& classes) {
  std::vector<const object::Class*> list;
  for (const object::Class* type : classes.all()) {
    if (type->make != nullptr && classes.implements(*type, "device")) list.push_back(type);
  }
  return list;
}

Result<const object::Class*> DeviceTree::classOf(const object::ClassTable& classes, std::string_view name) {
  std::vector<std::string_view> names;
  for (const object::Class* type : creatable(classes)) {
    if (type->name == name || (!type->alias.empty() && type->alias == name)) return type;
    names.push_back(type->name);
    if (!type->alias.empty()) names.push_back(type->alias);
  }
  const object::Class* other = classes.find(name);
  if (other != nullptr && classes.implements(*other, "device")) {
    return Error(
               fmt::format("devices of type {} are part of a board or of another device; a user cannot add one", name))
        .where("driver");
  }
  return Error(fmt::format("there is no device '{}'", name))
      .where("driver")
      .candidates(nearestNames(name, std::span<const std::string_view>(names)))
      .hint("-device help lists the devices");
}

std::string_view DeviceTree::busKind(const object::ClassTable& classes, const object::Class& type) {
  for (const object::Class* at = &type; at != nullptr; at = classes.find(at->parent)) {
    if (!at->plugsInto.empty()) return at->plugsInto;
  }
  return {};
}

std::vector<Bus*> DeviceTree::buses() const { return allOf<Bus>(tree_); }
std::vector<Device*> DeviceTree::devices() const { return allOf<Device>(tree_); }

Bus* DeviceTree::findBus(std::string_view name) const {
  for (Bus* bus : buses()) {
    if (bus->name() == name || bus->path() == name) return bus;
  }
  return nullptr;
}

Result<Device*> DeviceTree::find(std::string_view idOrPath) const {
  std::vector<std::string> ids;
  for (Device* device : devices()) {
    if (device->path() == idOrPath || (!device->id().empty() && device->id() == idOrPath)) return device;
    // A virtio device below its PCI function has the function's id.
    if (!device->id().empty() && std::ranges::find(ids, device->id()) == ids.end()) ids.push_back(device->id());
  }
  return Error(ErrorClass::kDeviceNotFound, fmt::format("there is no device '{}'", idOrPath))
      .candidates(nearestNames(idOrPath, std::span<const std::string>(ids)))
      .hint("info qtree shows the devices");
}

Result<Bus*> DeviceTree::chooseBus(std::string_view kind, std::optional<std::string> name,
                                   std::string_view typeName) const {
  if (kind.empty()) {
    if (!name) return nullptr;
    return Error(fmt::format("{} is not plugged into any bus", typeName)).where("bus");
  }
  // The board's own before those that other devices brought.
  std::vector<Bus*> inOrder = buses();
  std::ranges::stable_partition(
      inOrder, [](const Bus* bus) { return bus->owner() == nullptr || bus->owner()->bus() == nullptr; });
  std::vector<std::string> names;
  Bus* full = nullptr;
  for (Bus* bus : inOrder) {
    const bool fits = bus->kind() == kind;
    if (name && bus->name() == *name) {
      if (fits) return bus;
      return Error(fmt::format("bus '{}' is a {} bus; {} plugs into {} buses", *name, bus->kind(), typeName, kind))
          .where("bus");
    }
    if (!fits) continue;
    names.push_back(bus->name());
    if (!name && !bus->isFull()) return bus;
    full = bus;
  }
  if (name) {
    return Error(fmt::format("there is no bus '{}'", *name))
        .where("bus")
        .expected(names.empty() ? fmt::format("a {} bus, and this machine has none", kind) : std::string())
        .candidates(nearestNames(*name, std::span<const std::string>(names), names.size()))
        .hint("info qtree shows the buses");
  }
  if (full != nullptr) return Error(fmt::format("every {} bus is full", kind)).hint("add a pcie-root-port");
  return Error(fmt::format("this machine has no {} bus to plug {} into", kind, typeName))
      .hint("-machine help lists the machines");
}

Result<std::string> DeviceTree::placeFor(const std::string& id, object::Object*& parent) {
  object::Object& machine = tree_.container("machine");
  if (id.empty()) {
    parent = machine.child("peripheral-anon");
    return fmt::format("device[{}]", anonymous_++);
  }
  RHEA_CHECK(checkId(id));
  parent = machine.child("peripheral");
  const bool taken = parent->child(id) != nullptr || std::ranges::find(beingMade_, id) != beingMade_.end();
  if (!taken) return id;
  return Error(fmt::format("there is a device '{}' already", id)).where("id").hint("choose another id");
}

Task<Result<Device*>> DeviceTree::add(json::Value options, json::Spelling spelling) {
  if (!options.isObject()) co_return Error("a device's properties are no JSON object").expected("an object");
  RHEA_CO_TRY(const std::optional<std::string> driver, textOf(options, "driver"));
  if (!driver) co_return Error("'driver' is missing").expected("the type of the device; -device help lists them");
  RHEA_CO_TRY(const object::Class* type, classOf(tree_.classes(), *driver));
  RHEA_CO_TRY(const std::optional<std::string> givenId, textOf(options, "id"));
  RHEA_CO_TRY(std::optional<std::string> busName, textOf(options, "bus"));
  const std::string id = givenId.value_or("");
  object::Object* parent = nullptr;
  RHEA_CO_TRY(const std::string name, placeFor(id, parent));
  const std::string what =
      id.empty() ? fmt::format("device of type {}", type->name) : fmt::format("device '{}' of type {}", id, type->name);

  std::unique_ptr<object::Object> object = type->make(*type, services_);
  auto* device = dynamic_cast<Device*>(object.get());
  if (device == nullptr) co_return Error(fmt::format("{} is no device", type->name));
  Result<void> set = tree_.setAll(*object, options, spelling, kNoProperties);
  if (!set.ok()) co_return set.takeError().context(what);
  Result<Bus*> bus = chooseBus(busKind(tree_.classes(), *type), std::move(busName), type->name);
  if (!bus.ok()) co_return bus.takeError().context(what);
  device->setName(name);
  device->setPlace(*bus, id, parent->path() + "/" + name);
  if (*bus != nullptr) {
    Result<void> plugged = (*bus)->plug(*device, running_);
    if (!plugged.ok()) co_return plugged.takeError().context(what);
  }
  beingMade_.push_back(name);
  Result<void> completed = co_await device->complete();
  std::erase(beingMade_, name);
  if (!completed.ok()) {
    if (*bus != nullptr) (*bus)->unplug(*device);
    co_return completed.takeError().context(what);
  }
  parent->adopt(name, std::move(object));
  if (*bus != nullptr) (*bus)->show(*device, running_);
  co_return device;
}

Result<void> DeviceTree::requestRemoval(std::string_view idOrPath) {
  RHEA_TRY(Device * device, find(idOrPath));
  const std::string_view parent = device->parent()->name();
  if (parent != "peripheral" && parent != "peripheral-anon") {
    return Error(fmt::format("{} is part of the machine and stays", device->label()));
  }
  if (std::ranges::find(leaving_, device) != leaving_.end()) {
    return Error(fmt::format("{} is on its way out already", device->label()));
  }
  if (const std::vector<std::string> users = device->users(); !users.empty()) {
    return Error(fmt::format("{} is in use by {}", device->label(), users.front()));
  }
  std::vector<Bus*> below;
  collect(static_cast<object::Object&>(*device), below);
  for (const Bus* bus : below) {
    for (const Device* inner : bus->devices()) {
      if (inner->parent() == nullptr) {
        return Error(fmt::format("{} is being plugged into {}", inner->label(), device->label()));
      }
    }
  }
  if (!running_ || device->bus() == nullptr) {
    unplugSoon(*device);
    return success();
  }
  return device->bus()->requestUnplug(*device, *this);
}

void DeviceTree::unplugSoon(Device& device) {
  // By path: whoever else removes it meanwhile leaves nothing to do.
  auto work = [this, path = device.devicePath()] { removals_.spawn(removeByPath(path)); };
  main_.post(work);
}

Task<void> DeviceTree::removeByPath(std::string path) {
  Result<object::Object*> found = tree_.find(path);
  auto* device = found.ok() ? dynamic_cast<Device*>(*found) : nullptr;
  if (device == nullptr || std::ranges::find(leaving_, device) != leaving_.end()) co_return;
  co_await remove(*device, true);
}

Task<void> DeviceTree::forgetLookups() {
  if (auto* board = services_.find<Board>(); board != nullptr) co_await board->forgetLookups();
}

Task<void> DeviceTree::remove(Device& device, bool tell) {
  leaving_.push_back(&device);
  // What is plugged into it goes first.
  std::vector<Bus*> below;
  collect(static_cast<object::Object&>(device), below);
  for (Bus* bus : below) {
    while (!bus->devices().empty()) co_await remove(*bus->devices().back(), tell);
  }
  if (device.bus() != nullptr) device.bus()->unplug(device);
  co_await forgetLookups();
  co_await device.retire();
  std::erase(leaving_, &device);
  qapi::DeviceDeletedEvent event;
  event.path = device.path();
  if (!device.id().empty()) event.device = device.id();
  const std::unique_ptr<object::Object> gone = device.parent()->release(device);
  if (tell) qapi::emit(events_, event);
}

Task<Result<void>> DeviceTree::removeAll(CancelToken giveUp) {
  auto done = std::make_shared<Event>();
  main_.spawn(doRemoveAll(done));
  co_return co_await done->wait(giveUp);
}

Task<void> DeviceTree::doRemoveAll(std::shared_ptr<Event> done) {
  co_await removals_.join();
  object::Object& machine = tree_.container("machine");
  for (const std::string_view name : {"peripheral", "peripheral-anon"}) {
    object::Object* parent = machine.child(name);
    while (parent != nullptr && !parent->children().empty()) {
      co_await remove(static_cast<Device&>(*parent->children().back()), false);
    }
  }
  done->set();
}

}  // namespace rhea::hw
