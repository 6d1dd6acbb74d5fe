// Emptier: an image's ability to forget what it has of its own, so that what stands behind it shows. A base class of a
// driver like those of image.h.
#pragma once

#include "emu/base/base.h"
#include "emu/io/task.h"

namespace rhea::block {

class Emptier {
 public:
  virtual ~Emptier() = default;
  // The space falls free. Error: part of it may be forgotten already.
  virtual Task<Result<void>> makeEmpty() = 0;
};

}  // namespace rhea::block
