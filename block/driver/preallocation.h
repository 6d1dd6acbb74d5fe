// How the drivers read `preallocation` of blockdev-create.
#pragma once

#include "block/core/abilities.h"
#include "qapi/types-block-options.h"

namespace rhea::block {

// Not given: off.
inline Preallocation preallocationOf(const std::optional<qapi::PreallocMode>& mode) {
  switch (mode.value_or(qapi::PreallocMode::off)) {
    case qapi::PreallocMode::metadata:
      return Preallocation::kMetadata;
    case qapi::PreallocMode::falloc:
      return Preallocation::kFalloc;
    case qapi::PreallocMode::full:
      return Preallocation::kFull;
    case qapi::PreallocMode::off:
      break;
  }
  return Preallocation::kOff;
}

}  // namespace rhea::block
