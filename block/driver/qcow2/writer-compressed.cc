// Compressed writes, and places that are taken without data.
#include <fmt/format.h>

#include <cerrno>

#include "block/driver/qcow2/codec.h"
#include "block/driver/qcow2/image.h"
#include "block/driver/qcow2/writer.h"
#include "emu/io/offload.h"

namespace rhea::block::qcow2 {

Task<Result<void>> Writer::writeCompressed(Extent at, IoVector from) {
  const Geometry& geometry = image_.geometry;
  if (image_.isExternal())
    co_return Error::fromErrno(ENOTSUP, "an image with an external data file has no compressed clusters");
  if (at.empty() || !geometry.isAligned(at.offset) || at.length > geometry.clusterSize() ||
      (at.length != geometry.clusterSize() && !image_.isDiskEnd(at.end()))) {
    co_return Error::fromErrno(EINVAL, "a compressed write is one whole cluster");
  }
  RHEA_CO_CHECK(co_await prepare(at));
  std::vector<std::byte> cluster(geometry.clusterSize());
  from.copyTo(cluster.data(), static_cast<std::size_t>(at.length));
  const Compression type = image_.header.compression;
  const auto work = [&cluster, type] { return compress(type, cluster); };
  const std::optional<std::vector<std::byte>> packed = co_await offload(work);
  if (!packed) co_return co_await write(at, from, WriteFlags());

  const RequestEpochs::Inside inside(image_.epochs);
  const std::uint64_t guestCluster = at.offset >> geometry.clusterBits;
  while (image_.busy.firstBusy(guestCluster, guestCluster + 1) == guestCluster)
    co_await image_.busy.waitFor(guestCluster);
  const BusyClusters::Claim claim(image_.busy, guestCluster, guestCluster + 1);
  RHEA_CO_TRY(const TableCache::Hold slice, co_await image_.mapping.own(at.offset));
  RHEA_CO_TRY(const std::uint64_t offset, co_await image_.allocator.takeBytes(packed->size()));
  const Extent place(offset, packed->size());
  const IoVector content{std::span<const std::byte>(*packed)};
  Result<void> written = co_await checkTarget(place);
  if (written.ok()) written = co_await image_.file.write(place, content, WriteFlags());
  if (!written.ok()) {
    image_.allocator.giveBack(FreedSpace(place, FreeReason::kOther));
    co_return written;
  }
  const ClusterEntry before = image_.mapping.entry(slice, at.offset);
  const ClusterView old(before, geometry, false);
  const std::uint64_t word = compressedWord(offset, packed->size(), geometry);
  image_.mapping.setEntry(slice, at.offset, ClusterEntry(word, 0));
  if (old.problem == nullptr) giveBackOld(old, before.word, FreeReason::kOther);
  co_return success();
}

Task<Result<void>> Writer::allocate(Extent at) {
  RHEA_CO_CHECK(co_await prepare(at));
  const std::uint32_t bits = image_.geometry.clusterBits;
  const std::uint64_t end = image_.geometry.clustersFor(at.end());
  for (std::uint64_t cluster = at.offset >> bits; cluster < end;) {
    const std::uint64_t guest = cluster << bits;
    const std::uint64_t reach = image_.mapping.sliceReach();
    const std::uint64_t sliceEnd = (alignDown(guest, reach) + reach) >> bits;
    RHEA_CO_TRY(TableCache::Hold slice, co_await image_.mapping.own(guest));
    Run run = runAt(std::move(slice), Extent(guest, (end - cluster) << bits), std::min(end, sliceEnd));
    if (run.problem != nullptr) co_return Error::fromErrno(EIO);
    if (run.count == 0 || run.own) {
      ++cluster;
      continue;
    }
    RHEA_CO_CHECK(co_await place(run));
    if (!run.virgin && !image_.isExternal()) {
      const Extent stale(run.host, run.count << bits);
      RHEA_CO_CHECK(co_await image_.file.writeZeroes(stale, WriteFlags()));
    }
    link(run, Extent(guest, run.count << bits));
    cluster += run.count;
  }
  co_return success();
}

}  // namespace rhea::block::qcow2
