// The load that is recorded: writes of random size at random places, rewrites, zeroes, discards and flushes, and
// changes of the cache mode in between; the same for the same seed as far as the host's timing lets it be.
#pragma once

#include "block/core/graph.h"
#include "block/tool/prove/history.h"

namespace rhea::block::prove {

struct WorkloadPlan {
  std::uint64_t seed = 1;
  std::uint64_t requests = 300;
  std::uint64_t depth = 8;           // requests at a time
  std::uint64_t longest = 64 << 10;  // bytes of one request
  unsigned flushesPercent = 6;       // of the requests
  unsigned zeroesPercent = 6;
  unsigned discardsPercent = 4;
  std::vector<CacheSwitches> changes;  // modes to go to, one after the other, spread over the requests
};

// Where in the recording the world stands now.
using Position = std::function<std::uint64_t()>;

// Runs it on the graph's loop to its end. Error: a request or a change of mode that failed: nothing here may.
Task<Result<void>> runWorkload(BlockGraph& graph, DiskPtr disk, WorkloadPlan plan, History& history, Position position);

}  // namespace rhea::block::prove
