// The object type throttle-group: a throttle group that users make by name, for disks and throttle filters.
#pragma once

#include "block/core/throttle.h"
#include "emu/object/object.h"
#include "qapi/types-object.h"

namespace rhea::block {

class ThrottleGroupObject final : public object::Object {
 public:
  static void addClass(object::ClassTable& classes);

  ThrottleGroupObject(const object::Class& type, ThrottleGroups& groups) : Object(type), groups_(groups) {}

  // Takes the group of the object's id. Error: limits that contradict one another.
  Task<Result<void>> complete() override;
  std::vector<std::string> users() const override;

  qapi::ThrottleLimits limits() const;
  Result<void> setLimits(qapi::ThrottleLimits limits);

 private:
  ThrottleGroups& groups_;
  ThrottleLimits wanted_;
  std::shared_ptr<ThrottleGroup> group_;  // null until complete(): the object has no id before
};

}  // namespace rhea::block
