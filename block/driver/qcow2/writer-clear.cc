// Zeroes, discards, and what is cut off.
#include <fmt/format.h>

#include <cerrno>

#include "block/driver/qcow2/image.h"
#include "block/driver/qcow2/writer.h"

namespace rhea::block::qcow2 {

namespace {

// Freed space that waits for a commit is kept in memory: not without limit.
constexpr std::size_t kMostFreed = 65536;

}  // namespace

Task<Result<void>> Writer::writeZeroes(Extent at, WriteFlags how) {
  return clear(at, how.isMayUnmap() ? Clearing::kZeroFreeing : Clearing::kZeroKeeping);
}

Task<Result<void>> Writer::discard(Extent at) { return clear(at, Clearing::kDiscard); }

Task<Result<void>> Writer::forget(Extent at) { return clear(at, Clearing::kForget); }

Task<Result<void>> Writer::clear(Extent at, Clearing how) {
  RHEA_CO_CHECK(co_await prepare(at));
  {
    const RequestEpochs::Inside inside(image_.epochs);
    for (std::uint64_t done = 0; done < at.length;) {
      RHEA_CO_TRY(const std::uint64_t bytes, co_await clearPart(at.slice(done, at.length - done), how));
      done += bytes;
    }
  }
  if (image_.allocator.freedCount() > kMostFreed) co_return co_await image_.writeBack.commit(FlushTo::kStable);
  co_return success();
}

Task<Result<std::uint64_t>> Writer::clearPart(Extent at, Clearing how) {
  const Geometry& geometry = image_.geometry;
  const std::uint32_t bits = geometry.clusterBits;
  const std::uint64_t first = at.offset >> bits;
  const std::uint64_t reach = image_.mapping.sliceReach();
  const std::uint64_t sliceEnd = (alignDown(at.offset, reach) + reach) >> bits;
  std::uint64_t end = std::min(((at.end() - 1) >> bits) + 1, sliceEnd);
  while ((end = image_.busy.firstBusy(first, end)) == first) {
    co_await image_.busy.waitFor(first);
    end = std::min(((at.end() - 1) >> bits) + 1, sliceEnd);
  }
  const BusyClusters::Claim claim(image_.busy, first, end);
  const Extent part(at.offset, std::min(at.end(), end << bits) - at.offset);

  // Without a table there is nothing to take away; and nothing to say, unless something shows from behind.
  RHEA_CO_TRY(TableCache::Hold slice, co_await image_.mapping.find(at.offset));
  const bool saysZero = how == Clearing::kZeroKeeping || how == Clearing::kZeroFreeing;
  if (!slice && (how == Clearing::kForget || (!saysZero && !image_.hasBacking()))) {
    const std::uint64_t tableEnd = alignDown(at.offset, geometry.l2Reach()) + geometry.l2Reach();
    co_return std::min(tableEnd, at.end()) - at.offset;
  }
  if (!slice && image_.header.version < 3) {
    if (image_.reader.isZeroBehind(part) || !saysZero) co_return part.length;
    co_return Error::fromErrno(EOPNOTSUPP);
  }
  if (image_.isExternal()) {
    // A raw data file shows what is written there, whatever the tables say.
    if (image_.header.isRawExternalData()) {
      const WriteFlags flags = how == Clearing::kZeroKeeping ? WriteFlags() : WriteFlags::mayUnmap();
      const Extent inFile(part.offset,
                          std::min(part.end(), image_.data.length()) - std::min(part.offset, image_.data.length()));
      if (!inFile.empty()) RHEA_CO_CHECK(co_await image_.data.writeZeroes(inFile, flags));
    } else if (how == Clearing::kDiscard && image_.settings.discardRequest) {
      static_cast<void>(co_await image_.data.discard(part, WriteFlags()));
    }
  }
  RHEA_CO_TRY(slice, co_await image_.mapping.own(at.offset));
  for (std::uint64_t guest = part.offset; guest < part.end();) {
    const std::uint64_t next = std::min((geometry.clusterStart(guest) + geometry.clusterSize()), part.end());
    const Result<bool> done = clearCluster(slice, Extent(guest, next - guest), how);
    if (!done.ok()) co_return done.error();
    guest = next;
  }
  co_return part.length;
}

// Error: EOPNOTSUPP where zeroes have to be written as data.
Result<bool> Writer::clearCluster(const TableCache::Hold& slice, Extent part, Clearing how) {
  const Geometry& geometry = image_.geometry;
  const ClusterEntry before = image_.mapping.entry(slice, part.offset);
  const ClusterView old(before, geometry, image_.isExternal());
  if (old.problem != nullptr && how != Clearing::kForget) return Error::fromErrno(EIO);
  const std::uint64_t begin = geometry.inCluster(part.offset) / geometry.subclusterSize();
  // What is behind the disk's end in its last cluster counts as zeroes as well.
  const std::uint64_t ended = image_.isDiskEnd(part.end())
                                  ? geometry.subclusters()
                                  : (geometry.inCluster(part.offset) + part.length) / geometry.subclusterSize();
  std::uint32_t mask = 0;
  for (std::uint64_t sub = begin; sub < ended; ++sub) mask |= 1U << sub;
  const bool whole = mask == allSubclusters(geometry);

  if (how == Clearing::kForget) {
    if (before == ClusterEntry()) return true;
    image_.mapping.setEntry(slice, part.offset, ClusterEntry());
    if (old.problem == nullptr) giveBackOld(old, before.word, FreeReason::kRequest);
    return true;
  }
  if (image_.header.version < 3) {
    if (readsAsZero(old, part) && (how != Clearing::kDiscard || old.isUnallocated())) return true;
    if (!image_.hasBacking() && whole && how != Clearing::kZeroKeeping) {
      image_.mapping.setEntry(slice, part.offset, ClusterEntry());
      giveBackOld(old, before.word, FreeReason::kRequest);
      return true;
    }
    if (how == Clearing::kDiscard) return true;  // advice that cannot be taken: the old content would show
    return Error::fromErrno(EOPNOTSUPP);
  }
  if (how == Clearing::kDiscard) {
    if (!whole) return true;
    if (old.isUnallocated() && (old.zero == mask || (old.zero == 0 && !image_.hasBacking()))) return true;
  }
  if (!whole) {
    if (old.compressed) return Error::fromErrno(EOPNOTSUPP);
    ClusterView now = old;
    now.data &= ~mask;
    now.zero |= mask;
    if (now.zero != old.zero || now.data != old.data) image_.mapping.setEntry(slice, part.offset, now.entry(geometry));
    return true;
  }
  // Its own place may be kept, so that the next write needs none.
  const bool keeps =
      (how == Clearing::kZeroKeeping || image_.isExternal()) && old.hasHost && old.copied && !old.compressed;
  ClusterView now;
  now.zero = mask;
  if (keeps) {
    now.hasHost = true;
    now.copied = true;
    now.host = old.host;
  }
  const ClusterEntry after = now.entry(geometry);
  if (after == before) return true;
  image_.mapping.setEntry(slice, part.offset, after);
  if (!keeps) giveBackOld(old, before.word, FreeReason::kRequest);
  return true;
}

}  // namespace rhea::block::qcow2
