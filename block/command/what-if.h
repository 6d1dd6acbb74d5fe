// what-if: what a power cut now would leave of a disk that is used. See docs/design/what-if.md.
#pragma once

#include "block/core/graph.h"
#include "block/driver/what-if/crash-view.h"

namespace rhea::block {

// The two drivers that it makes nodes of, which no schema knows.
void addWhatIfDrivers(DriverRegistry& drivers);

// The part of a disk's chain that it is about.
struct WhatIfPlace {
  NodePtr format;    // whose image it is; the file's own node where the disk has none
  NodePtr file;      // below the format
  NodePtr recorder;  // between the two; null: not armed
};

// Error: there is no medium.
Result<WhatIfPlace> whatIfPlace(const BlockGraph& graph, const Disk& disk);

// The image that is asked for.
struct CrashWish {
  what_if::Spare spare = what_if::Spare::kNothing;
  std::uint64_t seed = 1;
  std::string path;  // to write it to; empty: it is only looked at
};

// What became of an image that a cut could have left.
struct WhatIfOutcome {
  what_if::CrashImagePtr image;
  std::string unusable;  // why; empty: it is usable
  std::optional<std::uint64_t> leaks;
};

// Builds the image, writes it out where that is wished for, and lets its driver check it. Error: it could not be built
// or written.
Task<Result<WhatIfOutcome>> buildCrashImage(BlockGraph& graph, WhatIfPlace place, CrashWish wish,
                                            ChangeContext context);

}  // namespace rhea::block
