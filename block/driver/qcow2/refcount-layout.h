// RefcountLayout: where refcount structures that are made anew go: a table and its blocks in one run of clusters, which
// they count themselves.
#pragma once

#include "block/driver/qcow2/cluster-counts.h"
#include "block/driver/qcow2/format.h"

namespace rhea::block::qcow2 {

struct RefcountLayout {
  std::uint64_t start = 0;  // bytes: the table, then the blocks in the order of `blocks`
  std::uint64_t tableClusters = 0;
  std::vector<std::uint64_t> blocks;  // indices in the table, ascending

  std::uint64_t clusters() const { return tableClusters + blocks.size(); }

  // For the clusters counted, from `start` (aligned, behind all of them) on. Error: the table would be too large.
  static Result<RefcountLayout> plan(const ClusterCounts& counts, std::uint64_t start, const Geometry& geometry);
};

}  // namespace rhea::block::qcow2
