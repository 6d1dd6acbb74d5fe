#include "block/driver/qcow2/image.h"

#include "block/driver/qcow2/repair.h"

namespace rhea::block::qcow2 {

Image::Image(ImagePlaces places, Header theHeader, Settings theSettings, Reporter reporter)
    : file(places.file),
      data(places.data != nullptr ? *places.data : places.file),
      backing(places.backing),
      header(std::move(theHeader)),
      geometry(header.geometry()),
      settings(theSettings),
      damage(*this, std::move(reporter)),
      l2Tables(file, generations, settings.l2SliceBytes, settings.l2CacheBytes),
      refcountBlocks(file, generations, settings.refcountSliceBytes, settings.refcountCacheBytes),
      mapping(*this),
      refcounts(*this),
      allocator(*this),
      writeBack(*this),
      reader(*this),
      writer(*this),
      length_(header.size) {
  const auto relief = [this] { return writeBack.commit(FlushTo::kStable); };
  l2Tables.setRelief(relief);
  // Those of lazy refcounts may not go out before their time.
  if (!settings.lazyRefcounts) refcountBlocks.setRelief(relief);
  if (header.isCorrupt()) damage.setFound();
}

Task<Result<void>> Image::beginWriting() {
  if (damage.isFound()) {
    co_await damage.markIfDue();
    co_return damage.refusal();
  }
  if (begun_) co_return success();
  const Mutex::Lock lock = co_await beginning_.lock();
  if (begun_) co_return success();
  co_return co_await firstWrite();
}

Task<Result<void>> Image::firstWrite() {
  if (header.isDirty()) {
    RHEA_CO_CHECK(co_await repairRefcounts(*this));
    RHEA_CO_CHECK(co_await patchIncompatible(header.incompatible & ~kDirty));
  }
  // What others noted of the content in ways unknown here is no longer true after a write.
  std::uint64_t kept = kRawExternalData;
  if (watcher != nullptr) kept |= kBitmapsConsistent | kBitmapsCovered;
  if (header.version >= 3 && (header.autoclear & ~kept) != 0) {
    std::vector<std::byte> field(8);
    put<std::uint64_t>(field, 0, header.autoclear & kept);
    RHEA_CO_CHECK(co_await patchHeader(kAtAutoclear, std::move(field)));
    header.autoclear &= kept;
  }
  if (settings.lazyRefcounts) RHEA_CO_CHECK(co_await patchIncompatible(header.incompatible | kDirty));
  RHEA_CO_CHECK(co_await refcounts.load());
  allocator.begin(file.length());
  begun_ = true;
  co_return success();
}

Task<Result<void>> Image::endWriting() {
  if (!begun_) co_return success();
  // Nothing more of a damaged image is written than has been.
  if (damage.isFound()) co_return success();
  if (watcher != nullptr) RHEA_CO_CHECK(co_await watcher->store());
  RHEA_CO_CHECK(co_await writeBack.commitAll());
  if (settings.lazyRefcounts) {
    settings.lazyRefcounts = false;
    const Result<void> written = co_await writeBack.commitAll();
    settings.lazyRefcounts = true;
    RHEA_CO_CHECK(written);
    RHEA_CO_CHECK(co_await patchIncompatible(header.incompatible & ~kDirty));
  }
  co_await allocator.giveBackReserve();
  begun_ = false;
  co_return success();
}

Task<Result<void>> Image::reload() {
  for (const std::uint64_t word : mapping.l1()) {
    if ((word & kOffsetMask) != 0) l2Tables.forget(Extent(word & kOffsetMask, geometry.clusterSize()));
  }
  refcounts.reload();
  geometry = header.geometry();
  mapping.forgetChanges();
  RHEA_CO_CHECK(co_await mapping.load());
  if (begun_) {
    RHEA_CO_CHECK(co_await refcounts.load());
    allocator.begin(file.length());
  }
  co_return success();
}

Task<Result<void>> Image::writeHeader() {
  RHEA_CO_TRY(const std::vector<std::byte> bytes, header.serialise());
  const IoVector from{std::span<const std::byte>(bytes)};
  RHEA_CO_CHECK(co_await file.write(Extent(0, bytes.size()), from, WriteFlags()));
  co_return co_await file.flush(FlushTo::kStable);
}

Task<Result<void>> Image::patchHeader(std::uint64_t offset, std::vector<std::byte> bytes) {
  const IoVector from{std::span<const std::byte>(bytes)};
  RHEA_CO_CHECK(co_await file.write(Extent(offset, bytes.size()), from, WriteFlags()));
  co_return co_await file.flush(FlushTo::kStable);
}

Task<Result<void>> Image::patchIncompatible(std::uint64_t bits) {
  if (header.version < 3) co_return success();
  std::vector<std::byte> field(8);
  put<std::uint64_t>(field, 0, bits);
  RHEA_CO_CHECK(co_await patchHeader(kAtIncompatible, std::move(field)));
  header.incompatible = bits;
  co_return success();
}

const char* Image::overlaps(Extent at, std::uint16_t except) const {
  const auto looks = [&](Structure structure) {
    return (settings.protectedStructures & ~except & static_cast<std::uint16_t>(structure)) != 0;
  };
  const std::uint64_t cluster = geometry.clusterSize();
  if (looks(Structure::kHeader) && at.offset < cluster) return "the header";
  if (looks(Structure::kActiveL1) && at.overlaps(Extent(header.l1Offset, std::uint64_t{header.l1Entries} * 8))) {
    return "the L1 table";
  }
  const Extent table(header.refcountTableOffset, std::uint64_t{header.refcountTableClusters} << geometry.clusterBits);
  if (looks(Structure::kRefcountTable) && at.overlaps(table)) return "the refcount table";
  if (looks(Structure::kSnapshotTable) && header.snapshotCount != 0) {
    // Of a table that could not be read nobody knows more than where it begins.
    const std::uint64_t bytes = snapshotTable.offset == header.snapshotsOffset ? snapshotTable.length : 0;
    if (at.overlaps(Extent(header.snapshotsOffset, std::max(bytes, cluster)))) return "the table of snapshots";
  }
  if (looks(Structure::kBitmapDirectory) && header.bitmaps && (header.autoclear & kBitmapsConsistent) != 0 &&
      at.overlaps(Extent(header.bitmaps->directoryOffset, header.bitmaps->directoryBytes))) {
    return "the directory of bitmaps";
  }
  if (looks(Structure::kInactiveL1)) {
    for (const Extent& inactive : inactiveTables) {
      if (at.overlaps(inactive)) return "a snapshot's L1 table";
    }
  }
  const bool l2 = looks(Structure::kActiveL2);
  const bool block = looks(Structure::kRefcountBlock);
  const bool inactive = looks(Structure::kInactiveL2) && !inactiveL2Tables.empty();
  const bool any = l2 || block || inactive;
  for (std::uint64_t each = geometry.clusterStart(at.offset); any && each < at.end(); each += cluster) {
    if (inactive && inactiveL2Tables.contains(each)) return "a snapshot's L2 table";
    if (l2 && mapping.isL2Table(each)) return "an L2 table";
    if (block && refcounts.isBlock(each)) return "a refcount block";
  }
  return nullptr;
}

}  // namespace rhea::block::qcow2
