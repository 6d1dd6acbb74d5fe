#include "emu/object/class.h"

#include "emu/base/names.h"
#include "emu/object/object.h"

namespace rhea::object {

namespace {

const Property kObjectProperties[] = {property<&Object::typeName>("type", "the class of the object")};

Class abstractClass(std::string_view name, std::string_view parent, std::string_view doc) {
  Class type;
  type.name = name;
  type.parent = parent;
  type.doc = doc;
  type.isAbstract = true;
  return type;
}

}  // namespace

ClassTable::ClassTable() {
  Class root = abstractClass("object", {}, "what everything in the tree is");
  root.properties = kObjectProperties;
  add(std::move(root));
  add(abstractClass("interface", {}, "what a class can do besides what it is"));
  add(abstractClass("user-creatable", "interface", "what object-add and -object can make"));
  add(abstractClass("device", "object", "a part of a machine"));
  Class container;
  container.name = "container";
  container.parent = "object";
  container.doc = "holds other objects";
  add(std::move(container));
}

const Class& ClassTable::add(Class type) {
  const bool orphan = !type.parent.empty() && find(type.parent) == nullptr;
  auto [place, isNew] = classes_.try_emplace(type.name);
  if (orphan || !isNew) std::terminate();
  place->second = std::make_unique<Class>(std::move(type));
  return *place->second;
}

const Class* ClassTable::find(std::string_view name) const {
  const auto found = classes_.find(name);
  return found == classes_.end() ? nullptr : found->second.get();
}

std::vector<const Class*> ClassTable::all() const {
  std::vector<const Class*> list;
  list.reserve(classes_.size());
  for (const auto& [name, type] : classes_) list.push_back(type.get());
  return list;
}

bool ClassTable::implements(const Class& type, std::string_view ancestor) const {
  for (const Class* at = &type; at != nullptr; at = find(at->parent)) {
    if (at->name == ancestor) return true;
    for (const std::string_view name : at->interfaces) {
      const Class* interface = find(name);
      if (interface != nullptr && implements(*interface, ancestor)) return true;
    }
  }
  return false;
}

std::vector<const Property*> ClassTable::properties(const Class& type) const {
  std::vector<const Class*> line;
  for (const Class* at = &type; at != nullptr; at = find(at->parent)) line.push_back(at);
  std::vector<const Property*> list;
  for (auto at = line.rbegin(); at != line.rend(); ++at) {
    for (const Property& property : (*at)->properties) list.push_back(&property);
  }
  return list;
}

std::vector<std::string_view> ClassTable::creatable() const {
  std::vector<std::string_view> names;
  for (const auto& [name, type] : classes_) {
    // Devices are made too, but by -device and device_add, which give them a place.
    if (type->make != nullptr && implements(*type, "user-creatable")) names.push_back(name);
  }
  return names;
}

Error ClassTable::unknown(std::string_view name, const std::vector<std::string_view>& known) {
  return Error(ErrorClass::kDeviceNotFound, fmt::format("there is no type '{}'", name))
      .candidates(nearestNames(name, std::span<const std::string_view>(known)))
      .hint("qom-list-types lists what there is");
}

}  // namespace rhea::object
