// The second half of a scan: refcounts on disk against what was counted, and the flags that follow from them.
#include "block/driver/qcow2/scan.h"

namespace rhea::block::qcow2 {

Task<Result<void>> Scan::countRefcounts() {
  const std::uint64_t bytes = std::uint64_t{header_.refcountTableClusters} << header_.clusterBits;
  const std::function<std::string()> name = [] { return std::string("the refcount table"); };
  if (bytes == 0 || header_.refcountTableOffset > fileLength_ ||
      bytes > alignUp<std::uint64_t>(fileLength_, header_.clusterSize()) - header_.refcountTableOffset) {
    corruption("there is no refcount table where the header says");
    mustRebuild_ = true;
    co_return success();
  }
  const std::uint64_t crossings = counts_.crossings();
  RHEA_CO_CHECK(use(header_.refcountTableOffset, bytes, 1, ClusterUse::kOwn, name));
  if (!co_await readScratch(header_.refcountTableOffset, bytes, name())) co_return success();
  refcountTable_.resize(static_cast<std::size_t>(bytes / 8));
  for (std::size_t i = 0; i < refcountTable_.size(); ++i) {
    const auto word = get<std::uint64_t>(scratch_, i * 8);
    if (word == 0) continue;
    const std::uint64_t offset = word & kRefcountOffsetMask;
    if ((word & kRefcountReserved) != 0 || !geometry_.isAligned(offset) || offset >= fileLength_) {
      corruption(
          fmt::format("entry {} of the refcount table is {:#x}, which is no place of a refcount block", i, word));
      mustRebuild_ = true;
      continue;
    }
    const std::function<std::string()> who = [i] { return fmt::format("entry {} of the refcount table", i); };
    RHEA_CO_CHECK(use(offset, header_.clusterSize(), 1, ClusterUse::kOwn, who));
    refcountTable_[i] = offset;
  }
  if (counts_.crossings() != crossings) mustRebuild_ = true;
  co_return success();
}

Task<Result<void>> Scan::compareRefcounts() {
  const std::uint64_t perBlock = geometry_.refcountBlockEntries();
  const std::uint64_t end = endCluster();
  const std::uint64_t blocks = end / perBlock + (end % perBlock != 0 ? 1 : 0);
  // L2 tables may have crossed a block since; a block that is something else as well tells nothing.
  for (std::uint64_t& offset : refcountTable_) {
    if (offset != 0 && counts_.isCrossed(offset >> header_.clusterBits)) {
      mustRebuild_ = true;
      offset = 0;
    }
  }
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(blocks, refcountTable_.size()); ++i) {
    if (refcountTable_[i] != 0) RHEA_CO_CHECK(co_await compareBlock(i * perBlock, refcountTable_[i]));
  }
  // Clusters in use for which there is no block; found from the counts, since there may be far more blocks than these.
  const auto covered = [&](std::uint64_t cluster) {
    return cluster / perBlock < refcountTable_.size() && refcountTable_[cluster / perBlock] != 0;
  };
  for (auto cluster = counts_.nextUsed(0); cluster;) {
    if (covered(*cluster)) {
      cluster = counts_.nextUsed((*cluster / perBlock + 1) * perBlock);
      continue;
    }
    compare(*cluster, 0);
    mustRebuild_ = true;
    cluster = counts_.nextUsed(*cluster + 1);
  }
  co_return success();
}

Task<Result<void>> Scan::compareBlock(std::uint64_t first, std::uint64_t blockOffset) {
  RHEA_CO_CHECK(step(first << header_.clusterBits));
  if (!co_await readScratch(blockOffset, header_.clusterSize(), "the refcount block")) co_return success();
  const std::uint64_t last = std::min(first + geometry_.refcountBlockEntries(), endCluster());
  for (std::uint64_t cluster = first; cluster < last; ++cluster) {
    compare(cluster, refcountAt(scratch_, cluster - first, header_.refcountOrder));
  }
  co_return success();
}

void Scan::compare(std::uint64_t cluster, std::uint64_t onDisk) {
  const std::uint64_t counted = counts_.count(cluster);
  if (onDisk != 0 || counted != 0) highestInUse_ = std::max(highestInUse_, cluster + 1);
  if (onDisk == counted) return;
  if (counted == ClusterCounts::kMostCount && onDisk > counted) return;  // counting stopped there
  if (onDisk < counted) {
    corruption(fmt::format("cluster {} refcount={} reference={}", cluster, onDisk, counted));
  } else {
    leak(fmt::format("Leaked cluster {} refcount={} reference={}", cluster, onDisk, counted));
  }
}

// Flags are accurate in what the active L1 table reaches, and only there; so is what is said of fragmentation.
Task<Result<void>> Scan::lookAtActive() {
  const std::uint64_t bytes = std::uint64_t{header_.l1Entries} * 8;
  if (bytes == 0 || header_.l1Offset > fileLength_ || bytes > fileLength_ - header_.l1Offset) co_return success();
  std::vector<std::byte> l1(static_cast<std::size_t>(bytes));
  if (!(co_await file_.read(Extent(header_.l1Offset, bytes), IoVector(std::span(l1)))).ok()) co_return success();
  for (std::uint64_t i = 0; i < header_.l1Entries; ++i) {
    const auto word = get<std::uint64_t>(l1, static_cast<std::size_t>(i) * 8);
    const std::uint64_t table = word & kOffsetMask;
    if (!isL2Place(table)) continue;
    const std::uint64_t cluster = table >> header_.clusterBits;
    if (isCopied(cluster) != ((word & kCopied) != 0)) {
      corruption(fmt::format("OFLAG_COPIED L2 cluster: l1_index={} l1_entry={:x} refcount={}", i, word,
                             counts_.count(cluster)));
    }
    if (counts_.isCrossed(cluster) || !counts_.visit(cluster)) continue;
    RHEA_CO_CHECK(step(table));
    if (!co_await readScratch(table, header_.clusterSize(), "the L2 table")) continue;
    lookAtActiveTable(scratch_, table, i * geometry_.l2Reach());
  }
  co_return success();
}

void Scan::lookAtActiveTable(std::span<const std::byte> table, std::uint64_t offset, std::uint64_t guest) {
  std::uint64_t next = 0;
  for (std::uint64_t i = 0; i < geometry_.l2Entries(); ++i) {
    const ScannedEntry entry(table, i, geometry_, header_.hasExternalData());
    if (entry.view.compressed) {
      ++report_.allocatedClusters;
      ++report_.compressedClusters;
      ++report_.fragmentedClusters;  // by their nature
    }
    if (!entry.view.hasHost) continue;
    ++report_.allocatedClusters;
    if (next != 0 && entry.view.host != next) ++report_.fragmentedClusters;
    next = entry.view.host + header_.clusterSize();
    const std::uint64_t here = guest + (i << header_.clusterBits);
    if (header_.hasExternalData() && entry.view.host != here) {
      corruption(fmt::format("entry {} of the L2 table at {} leads to {} of the data file instead of {}", i, offset,
                             entry.view.host, here));
    }
    const bool copied = header_.hasExternalData() || isCopied(entry.view.host >> header_.clusterBits);
    if (!geometry_.isAligned(entry.view.host) || copied == ((entry.raw.word & kCopied) != 0)) continue;
    corruption(fmt::format("OFLAG_COPIED data cluster: l2_entry={:x} refcount={}", entry.raw.word,
                           header_.hasExternalData() ? 1 : counts_.count(entry.view.host >> header_.clusterBits)));
  }
}

}  // namespace rhea::block::qcow2
