#include "block/driver/qcow2/resize.h"

#include <fmt/format.h>

#include <cerrno>

#include "block/core/node.h"
#include "block/driver/qcow2/image.h"

namespace rhea::block::qcow2 {

// The new table is complete and stable before the header names it; the old one is given back after that.
Task<Result<void>> growL1(Image& image, std::uint64_t entries) {
  const Geometry& geometry = image.geometry;
  std::vector<std::uint64_t> table = image.mapping.l1();
  if (entries <= table.size()) co_return success();
  table.resize(entries);
  const std::uint64_t clusters = geometry.clustersFor(entries * 8);
  RHEA_CO_TRY(const Allocation place, co_await image.allocator.takeRow(clusters));
  // With it, whatever the present table has in memory only must not be lost.
  RHEA_CO_CHECK(co_await image.writeBack.commit(FlushTo::kStable));
  std::vector<std::byte> bytes(clusters << geometry.clusterBits);
  for (std::size_t i = 0; i < table.size(); ++i) put<std::uint64_t>(bytes, i * 8, table[i]);
  const IoVector from{std::span<const std::byte>(bytes)};
  RHEA_CO_CHECK(co_await image.file.write(Extent(place.offset, bytes.size()), from, WriteFlags()));
  RHEA_CO_CHECK(co_await image.writeBack.barrier());
  std::vector<std::byte> fields(12);
  put<std::uint32_t>(fields, 0, static_cast<std::uint32_t>(entries));
  put<std::uint64_t>(fields, 4, place.offset);
  RHEA_CO_CHECK(co_await image.patchHeader(kAtL1Size, std::move(fields)));
  const Extent old(image.header.l1Offset, geometry.clustersFor(std::uint64_t{image.header.l1Entries} * 8)
                                              << geometry.clusterBits);
  image.header.l1Offset = place.offset;
  image.header.l1Entries = static_cast<std::uint32_t>(entries);
  image.mapping.forgetChanges();
  image.mapping.useL1(std::move(table));
  if (!old.empty()) image.allocator.giveBack(FreedSpace(old, FreeReason::kOther));
  co_return success();
}

namespace {

Task<Result<void>> writeSize(Image& image, std::uint64_t length) {
  std::vector<std::byte> field(8);
  put<std::uint64_t>(field, 0, length);
  RHEA_CO_CHECK(co_await image.patchHeader(kAtSize, std::move(field)));
  image.header.size = length;
  image.setLength(length);
  co_return success();
}

// Neither what is behind the image nor what was cut off once shows in the new part.
Task<Result<void>> hideOld(Image& image, std::uint64_t before, std::uint64_t length) {
  const std::uint64_t begin = std::min(alignUp(before, image.geometry.clusterSize()), length);
  if (begin > before) {
    std::vector<std::byte> bytes(begin - before);
    const IoVector memory{std::span<std::byte>(bytes)};
    RHEA_CO_CHECK(co_await image.reader.read(Extent(before, bytes.size()), memory));
    if (!memory.isZero()) {
      memory.fill(std::byte{0});
      RHEA_CO_CHECK(co_await image.writer.write(Extent(before, bytes.size()), memory, WriteFlags()));
    }
  }
  if (image.hasBacking() && image.backing->length() > begin) {
    const std::uint64_t end = alignUp(std::min(length, image.backing->length()), image.geometry.clusterSize());
    Result<void> cleared = co_await image.writer.writeZeroes(Extent(begin, end - begin), WriteFlags());
    if (!cleared.ok()) {
      co_return cleared.takeError().context("the backing file is longer than the disk was, and would show");
    }
  }
  co_return co_await image.writeBack.commit(FlushTo::kStable);
}

Task<Result<void>> grow(Image& image, std::uint64_t length, Preallocation preallocation) {
  const std::uint64_t before = image.length();
  const std::uint64_t entries = image.geometry.l1EntriesFor(length);
  if (entries * 8 > kMostL1Bytes) {
    co_return Error::fromErrno(
        EFBIG,
        fmt::format("a disk of {} bytes needs an L1 table of {} bytes, and {} are possible with clusters of {} bytes",
                    length, entries * 8, kMostL1Bytes, image.geometry.clusterSize()))
        .hint("larger clusters make larger disks possible");
  }
  RHEA_CO_CHECK(co_await growL1(image, entries));
  if (image.isExternal() && image.header.isRawExternalData()) {
    RHEA_CO_CHECK(co_await image.data.resize(length, Preallocation::kOff));
  }
  RHEA_CO_CHECK(co_await hideOld(image, before, length));
  if (preallocation != Preallocation::kOff) {
    RHEA_CO_CHECK(co_await preallocate(image, Extent(before, length - before), preallocation));
  }
  co_return co_await writeSize(image, length);
}

// First nobody can see the end any more, then its clusters fall free.
Task<Result<void>> shrink(Image& image, std::uint64_t length) {
  const std::uint64_t before = image.length();
  RHEA_CO_CHECK(co_await writeSize(image, length));
  const std::uint64_t begin = alignUp(length, image.geometry.clusterSize());
  const std::uint64_t end = alignUp(before, image.geometry.clusterSize());
  if (end > begin) RHEA_CO_CHECK(co_await image.writer.forget(Extent(begin, end - begin)));
  const std::uint64_t keptTables = image.geometry.l1EntriesFor(length);
  for (std::uint64_t i = keptTables; i < image.mapping.l1().size(); ++i) {
    // A machine's state of a snapshot lives behind the disk, in the same table.
    const std::uint64_t table = image.mapping.l1()[i] & kOffsetMask;
    if (table == 0 || i >= image.geometry.l1EntriesFor(before)) continue;
    image.mapping.setL1(i, 0);
    image.allocator.giveBack(FreedSpace(Extent(table, image.geometry.clusterSize()), FreeReason::kOther));
  }
  if (image.isExternal() && image.header.isRawExternalData()) {
    RHEA_CO_CHECK(co_await image.data.resize(length, Preallocation::kOff));
  }
  RHEA_CO_CHECK(co_await image.writeBack.commitAll());
  // The file ends where its last cluster in use does.
  if (image.file.node().info().kind != DriverKind::kProtocol || !image.file.node().info().growable) co_return success();
  const std::uint32_t bits = image.geometry.clusterBits;
  std::uint64_t clusters = image.geometry.clustersFor(image.file.length());
  while (clusters > 0) {
    RHEA_CO_TRY(const std::uint64_t users, co_await image.refcounts.of(clusters - 1));
    if (users != 0) break;
    --clusters;
  }
  if ((clusters << bits) < image.file.length()) {
    static_cast<void>(co_await image.file.resize(clusters << bits, Preallocation::kOff));
    image.allocator.begin(image.file.length());
  }
  co_return success();
}

}  // namespace

Task<Result<void>> resizeImage(Image& image, std::uint64_t length, Preallocation preallocation) {
  if (length == image.length()) co_return success();
  if (image.header.snapshotCount != 0 && image.header.version < 3) {
    co_return Error::fromErrno(ENOTSUP, "an image of version 2 (compat=0.10) with snapshots keeps its size")
        .hint("amend it to compat=1.1, or delete its snapshots");
  }
  if (length < image.length() && preallocation != Preallocation::kOff) {
    co_return Error("nothing can be preallocated while the disk shrinks").hint("use preallocation=off");
  }
  if (image.watcher != nullptr) RHEA_CO_CHECK(co_await image.watcher->resizing(length));
  if (length > image.length()) co_return co_await grow(image, length, preallocation);
  co_return co_await shrink(image, length);
}

namespace {

// Clusters that the range and its tables take at most.
std::uint64_t mostClusters(const Geometry& geometry, Extent at, std::uint64_t tableClusters) {
  const std::uint64_t data = geometry.clustersFor(at.length) + 1;
  const std::uint64_t tables = data / geometry.l2Entries() + 2;
  const std::uint64_t all = data + tables;
  // The refcount table may have to grow, and more than once.
  return all + 2 * (all / geometry.refcountBlockEntries() + 2) + 4 * tableClusters;
}

}  // namespace

Task<Result<void>> preallocate(Image& image, Extent at, Preallocation how) {
  const bool inFile = !image.isExternal();
  Child& target = inFile ? image.file : image.data;
  RHEA_CO_CHECK(co_await image.beginWriting());
  const Preallocation below = how == Preallocation::kMetadata ? Preallocation::kOff : how;
  if (below != Preallocation::kOff) {
    // Before the tables lie between the data: a file is filled from its end on.
    const std::uint64_t clusters = mostClusters(image.geometry, at, image.header.refcountTableClusters);
    const std::uint64_t end = inFile ? image.allocator.usedEnd() + (clusters << image.geometry.clusterBits) : at.end();
    if (end > target.length()) RHEA_CO_CHECK(co_await target.resize(end, below));
  }
  RHEA_CO_CHECK(co_await image.writer.allocate(at));
  RHEA_CO_CHECK(co_await image.writeBack.commitAll());
  const std::uint64_t end = inFile ? image.allocator.usedEnd() : std::max(at.end(), target.length());
  if (end != target.length()) co_return co_await target.resize(end, Preallocation::kOff);
  co_return success();
}

}  // namespace rhea::block::qcow2
