// ObjectTree: every object of one machine under one root, found by path, made and deleted by users.
//
//   /machine                  the board, with peripheral, peripheral-anon and unattached below it
//   /objects/ID               what users made with object-add and -object
//   /chardevs/ID              the chardevs (emu/machine/chardev-objects.h)
#pragma once

#include "emu/base/base.h"
#include "emu/object/object.h"

namespace rhea::object {

class ObjectTree {
 public:
  ObjectTree(const ClassTable& classes, const Services& services);
  ~ObjectTree();

  const ClassTable& classes() const { return classes_; }
  Object& root() { return *root_; }
  // A container of that name directly below the root; made at first use.
  Object& container(const std::string& name);
  Object& objects() { return container("objects"); }

  // "/objects/io0", or the end of exactly one path: "io0". Errors: class DeviceNotFound with the nearest names; several
  // paths end so.
  Result<Object*> find(std::string_view path);
  // An object that a user made, of C++ type T; `typeName` is what the error says was expected.
  template <class T>
  Result<T*> made(std::string_view id, std::string_view typeName) {
    RHEA_TRY(Object * object, madeBy(id));
    if (T* typed = dynamic_cast<T*>(object); typed != nullptr) return typed;
    return Error(fmt::format("object '{}' is of type {}, not {}", id, object->type().name, typeName));
  }

  // What a user asks for: `options` is the object of object-add or -object with qom-type and id in it. Checks id and
  // type, sets each property, completes the object, then puts it below /objects. On an error nothing is left.
  Task<Result<void>> create(json::Value options, json::Spelling spelling);
  // Errors: no such object, in use, naming the users.
  Task<Result<void>> remove(std::string id);
  // Retires all that users made, the last one first; nobody finds them afterwards. They are destroyed with the tree, so
  // that what uses one (a machine its memory) may end later.
  Task<void> removeAll();

  // Errors: no such property, with the nearest names; it cannot be read, or not be set (any more); the value does not
  // fit.
  Result<json::Text> get(Object& object, std::string_view property) const;
  Result<void> set(Object& object, std::string_view property, json::View value,
                   json::Spelling spelling = json::Spelling::kJson) const;
  // Before complete(): every member of `options` but those named in `without`.
  Result<void> setAll(Object& object, json::View options, json::Spelling spelling,
                      std::span<const std::string_view> without) const;

 private:
  Result<Object*> madeBy(std::string_view id);
  Result<const Property*> propertyOf(const Object& object, std::string_view name) const;

  const ClassTable& classes_;
  const Services& services_;
  std::unique_ptr<Object> root_;
  std::vector<std::unique_ptr<Object>> retired_;
  std::vector<std::string> beingMade_;  // ids that a create() in progress has taken
};

}  // namespace rhea::object
