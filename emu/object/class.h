// Class: a kind of object, with its place among the kinds, its properties and, where a user may make one, how.
//
// Rooms register their classes in a ClassTable that main makes: there is no global registry, so that two machines can
// live in one process and a tool has only what it can run.
#pragma once

#include "emu/base/base.h"
#include "emu/io/services.h"
#include "emu/object/property.h"

namespace rhea::object {

class Object;

struct Class {
  std::string_view name;                 // "iothread"; unique
  std::string_view parent;               // "object"; empty for the root alone
  std::string_view doc;                  // one line
  bool isAbstract = false;               // has no objects of its own
  std::span<const Property> properties;  // its own; those of its ancestors come besides
  // Makes an object whose properties are still to be set and which is then completed; null where users cannot make one.
  std::unique_ptr<Object> (*make)(const Class& type, const Services& services) = nullptr;
  std::vector<std::string_view> interfaces;  // besides the parent, "user-creatable"
  std::string_view plugsInto = {};           // of devices: the kind of bus, "PCI"; inherited; empty: none
  std::string_view alias = {};               // of devices: another name that -device takes, "virtio-blk"
};

// The roots that every program has: object, container, user-creatable, device (abstract, for later boards).
class ClassTable {
 public:
  ClassTable();
  // Two classes of one name, or a parent that is not there, are bugs.
  const Class& add(Class type);

  const Class* find(std::string_view name) const;
  // Every class, sorted by name.
  std::vector<const Class*> all() const;
  // Whether `type` is `ancestor`, comes from it or has it as an interface.
  bool implements(const Class& type, std::string_view ancestor) const;
  // Own and inherited properties, the most general class first.
  std::vector<const Property*> properties(const Class& type) const;
  // Those that users can make with object-add and -object, sorted.
  std::vector<std::string_view> creatable() const;
  // "there is no type 'iothraed'", class DeviceNotFound, with the nearest of the given names.
  static Error unknown(std::string_view name, const std::vector<std::string_view>& known);

 private:
  std::map<std::string_view, std::unique_ptr<Class>> classes_;
};

}  // namespace rhea::object
