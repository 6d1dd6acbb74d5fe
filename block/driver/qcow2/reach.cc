#include "block/driver/qcow2/reach.h"

namespace rhea::block::qcow2 {

namespace {

// The clusters of one L2 table's entries, neighbours as one run. Error: an entry that cannot be, told as damage.
Task<Result<std::vector<Extent>>> clustersOf(Image& image, std::uint64_t table) {
  const Geometry& geometry = image.geometry;
  std::vector<Extent> found;
  for (std::uint64_t at = 0; at < geometry.clusterSize(); at += image.l2Tables.sliceBytes()) {
    RHEA_CO_TRY(const TableCache::Hold slice, co_await image.l2Tables.get(table + at));
    for (std::size_t entry = 0; entry < slice.bytes().size(); entry += geometry.l2EntryBytes()) {
      const auto word = get<std::uint64_t>(slice.bytes(), entry);
      if ((word & kCompressed) != 0) {
        const CompressedPlace place = compressedPlace(word, geometry);
        found.emplace_back(place.offset, place.bytes);
        continue;
      }
      const std::uint64_t host = word & kOffsetMask;
      if (host == 0 || image.isExternal()) continue;
      if (!geometry.isAligned(host)) {
        std::string message = fmt::format("the L2 entry {:#x} points into the middle of a cluster", word);
        Error error = co_await image.damage.found(std::move(message), table + at + entry);
        co_return error;
      }
      const bool neighbour = !found.empty() && found.back().end() == host && geometry.isAligned(found.back().offset);
      if (neighbour) {
        found.back().length += geometry.clusterSize();
      } else {
        found.emplace_back(host, geometry.clusterSize());
      }
    }
  }
  found.emplace_back(table, geometry.clusterSize());
  co_return found;
}

ClusterRun runOf(const Image& image, Extent at) {
  const std::uint64_t first = at.offset >> image.geometry.clusterBits;
  return {first, ((at.end() - 1) >> image.geometry.clusterBits) + 1 - first};
}

Task<Result<void>> raiseOne(Image& image, const std::vector<Extent>& extents) {
  for (std::size_t i = 0; i < extents.size(); ++i) {
    const ClusterRun run = runOf(image, extents[i]);
    // One at a time, so that it is known which ones to take back.
    for (std::uint64_t cluster = run.first; cluster < run.end(); ++cluster) {
      Result<void> raised = co_await image.refcounts.raise(ClusterRun(cluster, 1));
      if (raised.ok()) continue;
      if (cluster > run.first)
        RHEA_CO_CHECK(co_await image.refcounts.lower(ClusterRun(run.first, cluster - run.first)));
      for (std::size_t done = 0; done < i; ++done) {
        RHEA_CO_CHECK(co_await image.refcounts.lower(runOf(image, extents[done])));
      }
      co_return raised;
    }
  }
  co_return success();
}

Task<Result<void>> refreshTable(Image& image, std::uint64_t table) {
  const Geometry& geometry = image.geometry;
  for (std::uint64_t at = 0; at < geometry.clusterSize(); at += image.l2Tables.sliceBytes()) {
    RHEA_CO_TRY(const TableCache::Hold slice, co_await image.l2Tables.get(table + at));
    bool changed = false;
    for (std::size_t entry = 0; entry < slice.bytes().size(); entry += geometry.l2EntryBytes()) {
      const auto word = get<std::uint64_t>(slice.bytes(), entry);
      const std::uint64_t host = word & kOffsetMask;
      if ((word & kCompressed) != 0 || host == 0) continue;
      RHEA_CO_TRY(const std::uint64_t users, co_await image.refcounts.of(host >> geometry.clusterBits));
      const std::uint64_t right = users == 1 ? word | kCopied : word & ~kCopied;
      if (right == word) continue;
      put<std::uint64_t>(slice.bytes(), entry, right);
      changed = true;
    }
    if (changed) image.l2Tables.changed(slice);
  }
  co_return success();
}

}  // namespace

Task<Result<void>> raiseReach(Image& image, L1Table l1) {
  Result<void> outcome = success();
  std::size_t done = 0;
  for (; done < l1.size(); ++done) {
    const std::uint64_t table = l1[done] & kOffsetMask;
    if (table == 0) continue;
    auto extents = co_await clustersOf(image, table);
    if (!extents.ok()) {
      outcome = extents.takeError();
      break;
    }
    outcome = co_await raiseOne(image, *extents);
    if (!outcome.ok()) break;
  }
  if (outcome.ok()) co_return outcome;
  for (std::size_t i = 0; i < done; ++i) {
    const std::uint64_t table = l1[i] & kOffsetMask;
    if (table == 0) continue;
    RHEA_CO_TRY(const std::vector<Extent> extents, co_await clustersOf(image, table));
    for (const Extent& extent : extents) RHEA_CO_CHECK(co_await image.refcounts.lower(runOf(image, extent)));
  }
  co_return outcome;
}

Task<Result<void>> lowerReach(Image& image, L1Table l1) {
  constexpr std::size_t kAtOnce = 65536;
  std::size_t waiting = 0;
  for (const std::uint64_t word : l1) {
    const std::uint64_t table = word & kOffsetMask;
    if (table == 0) continue;
    RHEA_CO_TRY(const std::vector<Extent> extents, co_await clustersOf(image, table));
    for (const Extent& extent : extents) image.allocator.giveBack(FreedSpace(extent, FreeReason::kSnapshot));
    waiting += extents.size();
    if (waiting < kAtOnce) continue;
    waiting = 0;
    RHEA_CO_CHECK(co_await image.writeBack.commitAll());
  }
  co_return co_await image.writeBack.commitAll();
}

Task<Result<void>> refreshFlags(Image& image) {
  for (std::uint64_t i = 0; i < image.mapping.l1().size(); ++i) {
    const std::uint64_t word = image.mapping.l1()[i];
    const std::uint64_t table = word & kOffsetMask;
    if (table == 0) continue;
    RHEA_CO_TRY(const std::uint64_t users, co_await image.refcounts.of(table >> image.geometry.clusterBits));
    const std::uint64_t right = users == 1 ? word | kCopied : word & ~kCopied;
    if (right != word) image.mapping.setL1(i, right);
    RHEA_CO_CHECK(co_await refreshTable(image, table));
  }
  co_return success();
}

Task<Result<L1Table>> readL1(Image& image, std::uint64_t offset, std::uint32_t entries) {
  std::vector<std::byte> bytes(std::size_t{entries} * 8);
  if (!bytes.empty()) {
    const IoVector into{std::span<std::byte>(bytes)};
    RHEA_CO_CHECK(co_await image.file.read(Extent(offset, bytes.size()), into));
  }
  L1Table l1(entries);
  for (std::size_t i = 0; i < l1.size(); ++i) {
    l1[i] = get<std::uint64_t>(bytes, i * 8);
    const std::uint64_t table = l1[i] & kOffsetMask;
    if (!image.geometry.isAligned(table) || table >= image.file.length()) {
      co_return Error(
          fmt::format("entry {} of the L1 table at {} is {:#x}, which is no place of an L2 table", i, offset, l1[i]))
          .hint("check the image");
    }
  }
  co_return l1;
}

Task<Result<std::uint64_t>> storeNew(Image& image, std::vector<std::byte> bytes) {
  const std::uint64_t clusters = std::max<std::uint64_t>(image.geometry.clustersFor(bytes.size()), 1);
  RHEA_CO_TRY(const Allocation place, co_await image.allocator.takeRow(clusters));
  bytes.resize(static_cast<std::size_t>(clusters << image.geometry.clusterBits));
  const IoVector from{std::span<const std::byte>(bytes)};
  const Result<void> written = co_await image.file.write(Extent(place.offset, bytes.size()), from, WriteFlags());
  if (!written.ok()) {
    image.allocator.giveBack(FreedSpace(Extent(place.offset, bytes.size()), FreeReason::kOther));
    co_return written.error();
  }
  co_return place.offset;
}

std::vector<std::byte> bytesOfL1(const L1Table& l1) {
  std::vector<std::byte> bytes(l1.size() * 8);
  for (std::size_t i = 0; i < l1.size(); ++i) put<std::uint64_t>(bytes, i * 8, l1[i] & ~kCopied);
  return bytes;
}

}  // namespace rhea::block::qcow2
