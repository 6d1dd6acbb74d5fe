// DebugPoints: stops requests at named points on demand, for tests; an ability of blkdebug, used by the io verbs break,
// resume, remove_break and wait_break.
#pragma once

#include "block/core/extent.h"
#include "emu/base/base.h"

namespace rhea::block {

class DebugPoints {
 public:
  struct Suspended {
    std::string tag;
    std::string point;  // "write_aio"
    Extent at;
  };
  virtual ~DebugPoints() = default;
  // The next request that comes to the point is suspended under `tag`. Error: no such point; what there is.
  virtual Result<void> breakAt(const std::string& point, const std::string& tag) = 0;
  // Lets everything that is suspended under `tag` go on, and takes its break points away. Error: there is none.
  virtual Result<void> resume(const std::string& tag) = 0;
  virtual std::vector<Suspended> suspended() const = 0;
};

}  // namespace rhea::block
