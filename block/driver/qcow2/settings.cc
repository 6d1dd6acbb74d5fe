#include "block/driver/qcow2/settings.h"

#include <fmt/format.h>

#include "block/driver/qcow2/header.h"
#include "qapi/types-block-options.h"

namespace rhea::block::qcow2 {

namespace {

using Options = qapi::BlockdevOptionsQcow2;

constexpr std::uint64_t kMostDefaultL2Cache = std::uint64_t{32} << 20U;
constexpr std::uint64_t kLeastRefcountCache = std::uint64_t{64} << 10U;
constexpr std::uint32_t kUsualSlice = 4096;
constexpr std::uint32_t kLeastSlice = 512;

constexpr std::uint16_t bit(Structure structure) { return static_cast<std::uint16_t>(structure); }

std::uint16_t structuresOf(qapi::Qcow2OverlapCheckMode mode) {
  constexpr std::uint16_t kConstant = bit(Structure::kHeader) | bit(Structure::kActiveL1) |
                                      bit(Structure::kRefcountTable) | bit(Structure::kSnapshotTable) |
                                      bit(Structure::kBitmapDirectory);
  constexpr std::uint16_t kCached =
      kConstant | bit(Structure::kActiveL2) | bit(Structure::kRefcountBlock) | bit(Structure::kInactiveL1);
  switch (mode) {
    case qapi::Qcow2OverlapCheckMode::none:
      return 0;
    case qapi::Qcow2OverlapCheckMode::constant:
      return kConstant;
    case qapi::Qcow2OverlapCheckMode::cached:
      return kCached;
    case qapi::Qcow2OverlapCheckMode::all:
      return kCached | bit(Structure::kInactiveL2);
  }
  return kCached;
}

std::uint16_t structuresOf(const qapi::Qcow2OverlapCheckFlags& flags) {
  std::uint16_t all = structuresOf(flags.template_.value_or(qapi::Qcow2OverlapCheckMode::none));
  const auto apply = [&all](const std::optional<bool>& flag, Structure structure) {
    if (!flag) return;
    all = static_cast<std::uint16_t>(*flag ? all | bit(structure) : all & ~bit(structure));
  };
  apply(flags.mainHeader, Structure::kHeader);
  apply(flags.activeL1, Structure::kActiveL1);
  apply(flags.activeL2, Structure::kActiveL2);
  apply(flags.refcountTable, Structure::kRefcountTable);
  apply(flags.refcountBlock, Structure::kRefcountBlock);
  apply(flags.snapshotTable, Structure::kSnapshotTable);
  apply(flags.inactiveL1, Structure::kInactiveL1);
  apply(flags.inactiveL2, Structure::kInactiveL2);
  apply(flags.bitmapDirectory, Structure::kBitmapDirectory);
  return all;
}

std::uint16_t structuresOf(const Options& options) {
  if (!options.overlapCheck) return structuresOf(qapi::Qcow2OverlapCheckMode::cached);
  if (const auto* mode = std::get_if<qapi::Qcow2OverlapCheckMode>(&options.overlapCheck->u)) return structuresOf(*mode);
  return structuresOf(std::get<qapi::Qcow2OverlapCheckFlags>(options.overlapCheck->u));
}

Result<void> checkNotNegative(const std::optional<std::int64_t>& value, std::string_view key) {
  if (!value || *value >= 0) return success();
  return Error(fmt::format("{}={} is no size", key, *value)).where(std::string(key)).expected("0 or more");
}

Result<void> readCaches(const Options& options, const Header& header, Settings& settings) {
  RHEA_CHECK(checkNotNegative(options.cacheSize, "cache-size"));
  RHEA_CHECK(checkNotNegative(options.l2CacheSize, "l2-cache-size"));
  RHEA_CHECK(checkNotNegative(options.refcountCacheSize, "refcount-cache-size"));
  RHEA_CHECK(checkNotNegative(options.l2CacheEntrySize, "l2-cache-entry-size"));
  const Geometry geometry = header.geometry();
  const auto bytes = [](const std::optional<std::int64_t>& value) { return static_cast<std::uint64_t>(*value); };
  if (options.cacheSize && options.l2CacheSize && options.refcountCacheSize) {
    return Error("cache-size, l2-cache-size and refcount-cache-size are all given").expected("two of them at most");
  }
  for (const auto& [part, key] :
       {std::pair(options.l2CacheSize, "l2-cache-size"), std::pair(options.refcountCacheSize, "refcount-cache-size")}) {
    if (options.cacheSize && part && *part > *options.cacheSize) {
      return Error(fmt::format("{}={} is more than cache-size={}", key, *part, *options.cacheSize)).where(key);
    }
  }
  const std::uint64_t whole = geometry.clustersFor(header.size) * geometry.l2EntryBytes();
  const std::uint64_t needed = alignUp<std::uint64_t>(whole, geometry.clusterSize());
  settings.l2CacheBytes = std::min(needed, kMostDefaultL2Cache);
  settings.refcountCacheBytes = std::max(4 * geometry.clusterSize(), kLeastRefcountCache);
  if (options.refcountCacheSize) settings.refcountCacheBytes = bytes(options.refcountCacheSize);
  if (options.l2CacheSize) settings.l2CacheBytes = bytes(options.l2CacheSize);
  if (options.cacheSize && options.refcountCacheSize) {
    settings.l2CacheBytes = bytes(options.cacheSize) - settings.refcountCacheBytes;
  } else if (options.cacheSize && options.l2CacheSize) {
    settings.refcountCacheBytes = bytes(options.cacheSize) - settings.l2CacheBytes;
  } else if (options.cacheSize) {
    settings.refcountCacheBytes = std::min(settings.refcountCacheBytes, bytes(options.cacheSize) / 2);
    settings.l2CacheBytes = std::min(needed, bytes(options.cacheSize) - settings.refcountCacheBytes);
  }
  const auto cluster = static_cast<std::uint32_t>(geometry.clusterSize());
  settings.refcountSliceBytes = std::min(cluster, kUsualSlice);
  settings.l2SliceBytes = std::min(cluster, kUsualSlice);
  if (options.l2CacheEntrySize) {
    const std::uint64_t size = bytes(options.l2CacheEntrySize);
    if (size < kLeastSlice || size > cluster || !std::has_single_bit(size)) {
      return Error(fmt::format("l2-cache-entry-size={} cannot be", size))
          .where("l2-cache-entry-size")
          .expected(fmt::format("a power of two from {} to the cluster size ({})", kLeastSlice, cluster));
    }
    settings.l2SliceBytes = static_cast<std::uint32_t>(size);
  }
  return success();
}

}  // namespace

Result<Settings> readSettings(const DriverOptions& options, const Header& header, OpenFlags flags) {
  const Options& own = options.as<Options>();
  Settings settings;
  RHEA_CHECK(readCaches(own, header, settings));
  RHEA_CHECK(checkNotNegative(own.cacheCleanInterval, "cache-clean-interval"));
  if (own.cacheCleanInterval) settings.cleanSeconds = static_cast<std::uint64_t>(*own.cacheCleanInterval);
  settings.protectedStructures = structuresOf(own);
  settings.lazyRefcounts = own.lazyRefcounts.value_or(header.hasLazyRefcounts());
  if (settings.lazyRefcounts && header.version < 3) {
    return Error("an image of version 2 (compat=0.10) has no lazy refcounts").where("lazy-refcounts").expected("off");
  }
  settings.discardRequest = own.passDiscardRequest.value_or(flags.discard == DiscardPolicy::kUnmap);
  settings.discardSnapshot = own.passDiscardSnapshot.value_or(true);
  settings.discardOther = own.passDiscardOther.value_or(false);
  return settings;
}

}  // namespace rhea::block::qcow2
