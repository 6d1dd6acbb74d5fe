// How large the file of an image would be.
#include "block/core/chain-status.h"
#include "block/core/child.h"
#include "block/driver/qcow2/create-plan.h"
#include "block/driver/qcow2/create.h"

namespace rhea::block::qcow2 {

namespace {

// Bytes of a file with header, L1 table, and the data clusters and L2 tables given.
std::uint64_t fileBytes(const CreatePlan& plan, std::uint64_t dataClusters, std::uint64_t l2Tables) {
  const Geometry geometry = plan.header.geometry();
  const std::uint64_t fixed = 1 + plan.l1Clusters + l2Tables + dataClusters;
  std::uint64_t blocks = 0;
  std::uint64_t table = 0;
  while (true) {
    const std::uint64_t all = fixed + blocks + table;
    const std::uint64_t needed = (all + geometry.refcountBlockEntries() - 1) / geometry.refcountBlockEntries();
    const std::uint64_t tables = geometry.clustersFor(needed * 8);
    if (needed <= blocks && tables <= table) return all << geometry.clusterBits;
    blocks = std::max(blocks, needed);
    table = std::max(table, tables);
  }
}

// Clusters with content, counted in the source and what is behind it: a copy would have it all.
Task<Result<std::uint64_t>> usedClusters(Child& source, Geometry geometry, CancelToken cancel) {
  std::uint64_t count = 0;
  std::uint64_t counted = 0;  // clusters before this one are decided
  const std::uint64_t length = source.length();
  for (std::uint64_t at = 0; at < length;) {
    RHEA_CO_CHECK(cancel.check());
    const Extent rest(at, std::min(length - at, std::uint64_t{1} << 40U));
    RHEA_CO_TRY(const ChainStatus status, co_await chainStatus(source.node(), rest));
    const std::uint64_t end = at + status.length;
    if (status.present && !status.zero && status.data) {
      const std::uint64_t first = std::max(at >> geometry.clusterBits, counted);
      const std::uint64_t last = geometry.clustersFor(end);
      if (last > first) count += last - first;
      counted = std::max(counted, last);
    }
    at = end;
  }
  co_return count;
}

// What copies of the source's bitmaps would take in an image of these clusters; none: the source can have none.
Task<Result<std::optional<std::uint64_t>>> bitmapBytes(Child& source, Geometry geometry) {
  std::optional<std::uint64_t> bytes;
  const Node& layer = layerOf(source.node());
  auto* const keeper = layer.ability<BitmapKeeper>();
  if (keeper == nullptr) co_return bytes;
  RHEA_CO_TRY(const std::vector<BitmapInfo> bitmaps, co_await keeper->bitmaps());
  std::uint64_t clusters = 0;
  std::uint64_t directory = 0;
  for (const BitmapInfo& each : bitmaps) {
    if (each.inconsistent) continue;
    const std::uint64_t bits = (source.length() + each.granularity - 1) / each.granularity;
    const std::uint64_t data = geometry.clustersFor((bits + 7) / 8);
    clusters += data + geometry.clustersFor(data * 8);
    directory += alignUp<std::uint64_t>(kBitmapEntryBytes + each.name.size(), 8);
  }
  bytes = (clusters + geometry.clustersFor(directory)) << geometry.clusterBits;
  co_return bytes;
}

}  // namespace

Task<Result<ImageSizes>> measureImage(DriverOptions options, Child* source, CancelToken cancel) {
  auto given = options.as<qapi::BlockdevCreateOptionsQcow2>();
  if (source != nullptr) given.size = alignUp<std::uint64_t>(source->length(), 512);
  RHEA_CO_TRY(const CreatePlan plan, CreatePlan::of(given));
  const Geometry geometry = plan.header.geometry();
  const std::uint64_t all = geometry.clustersFor(given.size);
  const std::uint64_t tables = (all + geometry.l2Entries() - 1) / geometry.l2Entries();
  const std::uint64_t inFile = plan.header.hasExternalData() ? 0 : all;
  ImageSizes sizes;
  sizes.fullyAllocated = fileBytes(plan, inFile, tables);
  std::uint64_t used = 0;
  const auto how = given.preallocation.value_or(qapi::PreallocMode::off);
  if (how == qapi::PreallocMode::falloc || how == qapi::PreallocMode::full) {
    used = inFile;
  } else if (source != nullptr && inFile != 0) {
    RHEA_CO_TRY(used, co_await usedClusters(*source, geometry, cancel));
  }
  // With the tables that all of the disk would need: whoever lays out that much room need not do it again for them.
  sizes.required = sizes.fullyAllocated - ((inFile - used) << geometry.clusterBits);
  if (source != nullptr && plan.header.version >= 3) {
    RHEA_CO_TRY(sizes.bitmaps, co_await bitmapBytes(*source, geometry));
  }
  co_return sizes;
}

}  // namespace rhea::block::qcow2
