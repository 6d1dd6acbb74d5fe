#include "block/core/driver-info.h"

#include <fmt/format.h>

#include <cerrno>

#include "emu/base/bug.h"
#include "emu/base/names.h"

namespace rhea::block {

Error limitsChanged() { return Error::fromErrno(ERESTART); }
bool isLimitsChanged(const Error& error) { return error.code() == ERESTART; }

Child* Children::find(std::string_view name) const {
  for (const auto& [childName, child] : children_) {
    if (childName == name) return child;
  }
  return nullptr;
}

Child& Children::get(std::string_view name) const {
  Child* child = find(name);
  if (child == nullptr) bug("a driver was opened without a child that it requires");
  return *child;
}

DriverRegistry::DriverRegistry(std::span<const DriverInfo* const> drivers) : drivers_(drivers.begin(), drivers.end()) {}

void DriverRegistry::add(const DriverInfo& driver) { drivers_.push_back(&driver); }

Result<const DriverInfo*> DriverRegistry::find(std::string_view name) const {
  std::vector<std::string_view> names;
  for (const DriverInfo* driver : drivers_) {
    if (driver->name == name) return driver;
    names.push_back(driver->name);
  }
  return Error(fmt::format("no block driver is called '{}'", name))
      .expected(fmt::format("one of {}", fmt::join(names, ", ")))
      .candidates(nearestNames(name, names));
}

}  // namespace rhea::block
