// What a process holds, and the cycle of adding and deleting by which growth is looked for.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>

#include "tests/lib/qmp-client.h"

namespace rhea::test {

struct Footprint {
  std::size_t resident = 0;  // bytes
  std::size_t descriptors = 0;
};
Footprint footprintOf(pid_t pid);

// blockdev-add and blockdev-del of a node on this file, so many times.
void addAndDelete(QmpClient& client, const std::string& file, int times);

}  // namespace rhea::test
