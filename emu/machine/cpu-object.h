// CpuObject: a virtual CPU as clients meet it in the object tree: /machine/unattached/device[N], of a type that says
// its model, with its place in the topology. What runs is a cpu::Vcpu.
#pragma once

#include "emu/object/object.h"

namespace rhea::machine {

class CpuObject final : public object::Object {
 public:
  // Adds cpu and x86_64-cpu (abstract), and a class for each model: "Nehalem-x86_64-cpu".
  static void addClasses(object::ClassTable& classes);
  static std::string typeNameOf(std::string_view model) { return std::string(model) + "-x86_64-cpu"; }

  struct Place {
    std::int64_t socket = 0;
    std::int64_t core = 0;
    std::int64_t thread = 0;
  };
  CpuObject(const object::Class& type, unsigned apicId, Place place) : Object(type), apicId_(apicId), place_(place) {}

  std::int64_t apicId() const { return apicId_; }
  std::int64_t socket() const { return place_.socket; }
  std::int64_t core() const { return place_.core; }
  std::int64_t thread() const { return place_.thread; }

 private:
  std::int64_t apicId_;
  Place place_;
};

}  // namespace rhea::machine
