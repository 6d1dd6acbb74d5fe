// MigrationCapabilities: which optional abilities of migration a client has turned on. A service. They are remembered
// for the migrations of a later version; this one has none.
#pragma once

#include "emu/base/base.h"
#include "qapi/types-migration.h"

namespace rhea::migrate {

class MigrationCapabilities {
 public:
  bool isOn(qapi::MigrationCapability capability) const { return std::ranges::find(on_, capability) != on_.end(); }
  void set(qapi::MigrationCapability capability, bool on) {
    std::erase(on_, capability);
    if (on) on_.push_back(capability);
  }

 private:
  std::vector<qapi::MigrationCapability> on_;
};

}  // namespace rhea::migrate
