// The options of a sheepdog node, read and checked.
#pragma once

#include "block/core/node-options.h"
#include "block/driver/sheepdog/link.h"

namespace rhea::block::sheepdog {

struct Settings {
  LinkSettings link;
  std::string vdi;
  std::uint32_t snapId = 0;  // 0: not by number
  std::string tag;           // empty: not by name
  bool locking = true;

  bool isSnapshot() const { return snapId != 0 || !tag.empty(); }
};

// From qapi::BlockdevOptionsSheepdog. Error: names the key.
Result<Settings> readSettings(const DriverOptions& options);

}  // namespace rhea::block::sheepdog
