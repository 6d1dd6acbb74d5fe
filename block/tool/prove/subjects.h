// Subjects: the formats that can be proved, with their options.
#pragma once

#include "block/tool/prove/recording.h"

namespace rhea::block::prove {

// A raw image of this many bytes.
Subject rawSubject(std::uint64_t diskBytes);

// An image that the driver makes by its create struct; `open` are the driver's own options, of its struct.
Subject formatSubject(const DriverInfo& driver, DriverOptions create, DriverOptions open);

// qcow2 with what is usual, but for the members given.
struct Qcow2Traits {
  std::uint64_t clusterBytes = 64 << 10;
  bool lazyRefcounts = false;
  bool extendedL2 = false;
  bool version2 = false;
};
Subject qcow2Subject(std::uint64_t diskBytes, Qcow2Traits traits);

}  // namespace rhea::block::prove
