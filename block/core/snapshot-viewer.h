// SnapshotViewer: an image's ability to show the disk as an internal snapshot has it, while it is open for reading. A
// base class of a driver like those of image.h.
#pragma once

#include "emu/base/base.h"
#include "emu/io/task.h"

namespace rhea::block {

class SnapshotViewer {
 public:
  virtual ~SnapshotViewer() = default;
  // From now on, until it is closed; nothing may be read from the image meanwhile. `which` is an id or a name. Error:
  // no such snapshot (names those that exist); the image is open for writing.
  virtual Task<Result<void>> showSnapshot(std::string which) = 0;
};

}  // namespace rhea::block
