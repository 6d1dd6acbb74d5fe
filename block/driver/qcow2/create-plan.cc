#include "block/driver/qcow2/create-plan.h"

#include <fmt/format.h>

#include "block/driver/qcow2/codec.h"
#include "config.h"

namespace rhea::block::qcow2 {

namespace {

using Options = qapi::BlockdevCreateOptionsQcow2;

constexpr std::uint64_t kUsualCluster = 65536;
constexpr std::uint64_t kSector = 512;

Result<void> needsVersion3(const Options& options, bool wants, std::string_view what) {
  if (!wants || options.version.value_or(qapi::BlockdevQcow2Version::v3) == qapi::BlockdevQcow2Version::v3) {
    return success();
  }
  return Error(fmt::format("{} needs version 3 of the format (compat=1.1)", what)).where("version").expected("v3");
}

Result<std::uint32_t> clusterBitsOf(const Options& options) {
  const std::uint64_t size = options.clusterSize.value_or(kUsualCluster);
  const bool extended = options.extendedL2.value_or(false);
  const std::uint64_t least = std::uint64_t{1} << (extended ? kLeastExtendedClusterBits : kLeastClusterBits);
  if (!std::has_single_bit(size) || size < least || size > std::uint64_t{1} << kMostClusterBits) {
    return Error(fmt::format("a cluster size of {} bytes cannot be", size))
        .where("cluster-size")
        .expected(fmt::format("a power of two from {} to 2 MiB", least));
  }
  return static_cast<std::uint32_t>(std::countr_zero(size));
}

Result<std::uint32_t> refcountOrderOf(const Options& options) {
  const std::int64_t bits = options.refcountBits.value_or(16);
  const bool known = bits > 0 && bits <= 64 && std::has_single_bit(static_cast<std::uint64_t>(bits));
  if (!known) {
    return Error(fmt::format("a refcount of {} bits cannot be", bits))
        .where("refcount-bits")
        .expected("1, 2, 4, 8, 16, 32 or 64");
  }
  RHEA_CHECK(needsVersion3(options, bits != 16, "a width of refcounts other than 16 bits"));
  return static_cast<std::uint32_t>(std::countr_zero(static_cast<std::uint64_t>(bits)));
}

Result<void> readFeatures(const Options& options, Header& header) {
  if (options.lazyRefcounts.value_or(false)) {
    RHEA_CHECK(needsVersion3(options, true, "lazy-refcounts"));
    header.compatible |= kLazyRefcounts;
  }
  if (options.extendedL2.value_or(false)) {
    RHEA_CHECK(needsVersion3(options, true, "extended-l2"));
    header.incompatible |= kExtendedL2;
  }
#if RHEA_HAVE_ZSTD
  if (options.compressionType.value_or(qapi::Qcow2CompressionType::zlib) == qapi::Qcow2CompressionType::zstd) {
    RHEA_CHECK(needsVersion3(options, true, "compression-type=zstd"));
    header.compression = Compression::kZstd;
    header.incompatible |= kCompressionType;
  }
#endif
  const bool raw = options.dataFileRaw.value_or(false);
  if (options.dataFile) {
    RHEA_CHECK(needsVersion3(options, true, "an external data file"));
    header.incompatible |= kExternalData;
    if (raw) header.autoclear |= kRawExternalData;
  } else if (raw) {
    return Error("data-file-raw is said of a data file, and there is none")
        .where("data-file-raw")
        .hint("give data-file");
  }
  return success();
}

Result<void> readNames(const Options& options, Header& header) {
  header.backingFile = options.backingFile.value_or("");
  if (header.backingFile.size() > kMostBackingNameBytes) {
    return Error(fmt::format("the name of the backing file has {} bytes", header.backingFile.size()))
        .where("backing-file")
        .expected(fmt::format("at most {}", kMostBackingNameBytes));
  }
  if (options.backingFmt) {
    if (header.backingFile.empty()) return Error("backing-fmt is given without backing-file").where("backing-fmt");
    header.backingFormat = toString(*options.backingFmt);
  }
  if (!header.backingFile.empty() && options.dataFileRaw.value_or(false)) {
    return Error("a raw data file shows the whole disk, so nothing can be behind it").where("backing-file");
  }
  if (!header.backingFile.empty() &&
      options.preallocation.value_or(qapi::PreallocMode::off) != qapi::PreallocMode::off &&
      !options.extendedL2.value_or(false)) {
    return Error("an image that is preallocated hides its backing file").where("preallocation").expected("off");
  }
  return success();
}

// The tables describe themselves: their number depends on what they take.
Result<void> lay(CreatePlan& plan) {
  const Geometry geometry = plan.header.geometry();
  const std::uint64_t entries = geometry.l1EntriesFor(plan.header.size);
  if (entries * 8 > kMostL1Bytes) {
    return Error(fmt::format("a disk of {} bytes is too large for clusters of {} bytes", plan.header.size,
                             geometry.clusterSize()))
        .where("size")
        .hint("larger clusters make larger disks possible");
  }
  plan.l1Clusters = std::max<std::uint64_t>(geometry.clustersFor(entries * 8), 1);
  std::uint64_t tableClusters = 1;
  plan.refcountBlocks = 1;
  while (true) {
    plan.clusters = 1 + tableClusters + plan.refcountBlocks + plan.l1Clusters;
    const std::uint64_t blocks =
        (plan.clusters + geometry.refcountBlockEntries() - 1) / geometry.refcountBlockEntries();
    const std::uint64_t tables = geometry.clustersFor(blocks * 8);
    if (blocks <= plan.refcountBlocks && tables <= tableClusters) break;
    plan.refcountBlocks = std::max(plan.refcountBlocks, blocks);
    tableClusters = std::max(tableClusters, tables);
  }
  plan.header.refcountTableOffset = geometry.clusterSize();
  plan.header.refcountTableClusters = static_cast<std::uint32_t>(tableClusters);
  plan.header.l1Offset = (1 + tableClusters + plan.refcountBlocks) << geometry.clusterBits;
  plan.header.l1Entries = static_cast<std::uint32_t>(entries);
  return success();
}

}  // namespace

Result<CreatePlan> CreatePlan::of(const Options& options) {
  CreatePlan plan;
  Header& header = plan.header;
  if (options.size % kSector != 0) {
    return Error(fmt::format("a disk of {} bytes is no multiple of {}", options.size, kSector)).where("size");
  }
  header.size = options.size;
  header.version = options.version.value_or(qapi::BlockdevQcow2Version::v3) == qapi::BlockdevQcow2Version::v2 ? 2 : 3;
  RHEA_TRY(header.clusterBits, clusterBitsOf(options));
  RHEA_TRY(header.refcountOrder, refcountOrderOf(options));
  RHEA_CHECK(readFeatures(options, header));
  RHEA_CHECK(readNames(options, header));
  if (header.version >= 3) {
    const auto names = standardFeatureNames();
    header.featureNames.assign(names.begin(), names.end());
  }
  RHEA_CHECK(lay(plan));
  return plan;
}

}  // namespace rhea::block::qcow2
