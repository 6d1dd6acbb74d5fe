#include "block/driver/qcow2/refcount-layout.h"

namespace rhea::block::qcow2 {

Result<RefcountLayout> RefcountLayout::plan(const ClusterCounts& counts, std::uint64_t start,
                                            const Geometry& geometry) {
  RefcountLayout layout;
  layout.start = start;
  const std::uint64_t perBlock = geometry.refcountBlockEntries();
  std::vector<std::uint64_t> used;
  for (auto cluster = counts.nextUsed(0); cluster; cluster = counts.nextUsed((used.back() + 1) * perBlock)) {
    used.push_back(*cluster / perBlock);
  }
  const std::uint64_t first = start >> geometry.clusterBits;
  // The structures count themselves, so adding some may need more; each round adds, and the sum is bounded.
  for (layout.tableClusters = 1;;) {
    std::uint64_t own = layout.tableClusters + used.size();
    layout.blocks = used;
    for (std::uint64_t block = first / perBlock; block <= (first + own - 1) / perBlock; ++block) {
      if (std::ranges::find(used, block) == used.end()) {
        layout.blocks.push_back(block);
        ++own;
      }
    }
    const std::uint64_t tableClusters = geometry.clustersFor((layout.blocks.back() + 1) * 8);
    if (tableClusters << geometry.clusterBits > kMostRefcountTableBytes) {
      return Error(fmt::format("refcounts for a file of {} bytes need a larger table than can be", start))
          .hint("convert the image to a new one with larger clusters");
    }
    if (tableClusters <= layout.tableClusters) return layout;
    layout.tableClusters = tableClusters;
  }
}

}  // namespace rhea::block::qcow2
