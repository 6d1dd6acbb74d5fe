// A node that shows a file as a power cut at one moment could have left it, while the file itself is used on.
//
// Nothing is copied: it reads the file as it is now, takes back what was changed since the moment, then what was
// unflushed at it, and puts back of that what the cut is to have spared. It can be read only.
#pragma once

#include "block/core/driver-info.h"
#include "block/driver/what-if/undo-log.h"

namespace rhea::block::what_if {

enum class Spare : std::uint8_t { kNothing, kEverything, kSome };

// One possible outcome of a cut; shared and constant.
struct CrashImage {
  // `seed` is for Spare::kSome.
  CrashImage(std::shared_ptr<UndoLog> kept, Moment when, Spare spare, std::uint64_t seed);

  std::shared_ptr<UndoLog> log;
  Moment moment;
  // Per unflushed change: whether it is there, or some of its sectors by chance.
  struct Part {
    bool whole = false;
    std::optional<std::uint64_t> torn;  // a seed of its own
    bool any() const { return whole || torn.has_value(); }
  };
  std::vector<Part> parts;
  std::uint64_t length = 0;  // bytes
  std::uint64_t spared() const;
};
using CrashImagePtr = std::shared_ptr<const CrashImage>;

const DriverInfo& crashViewDriver();
// Over the node that the recorder stands on.
NodeOptions crashViewNode(CrashImagePtr image, std::string file);

}  // namespace rhea::block::what_if
