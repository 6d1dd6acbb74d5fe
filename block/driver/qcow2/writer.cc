#include "block/driver/qcow2/writer.h"

#include <fmt/format.h>

#include <cerrno>

#include "block/driver/qcow2/image.h"

namespace rhea::block::qcow2 {

Task<Result<void>> Writer::prepare(Extent at) {
  if (!image_.hasBegunWriting() || image_.damage.isFound()) RHEA_CO_CHECK(co_await image_.beginWriting());
  if (image_.watcher != nullptr && !image_.watcher->knows(at)) RHEA_CO_CHECK(co_await image_.watcher->note(at));
  co_return success();
}

Task<Result<void>> Writer::write(Extent at, IoVector from, WriteFlags how) {
  RHEA_CO_CHECK(co_await prepare(at));
  bool mustCommit = false;
  {
    const RequestEpochs::Inside inside(image_.epochs);
    for (std::uint64_t done = 0; done < at.length;) {
      const std::uint64_t left = at.length - done;
      RHEA_CO_TRY(const std::uint64_t bytes,
                  co_await writePart(at.slice(done, left), from.slice(done, left), how, mustCommit));
      done += bytes;
    }
  }
  if (how.isStable() && mustCommit) co_return co_await image_.writeBack.commit(FlushTo::kStable);
  co_return success();
}

Task<Result<void>> Writer::checkTarget(Extent host) {
  if (image_.isExternal()) co_return success();
  const char* const victim = image_.overlaps(host, 0);
  if (victim == nullptr) co_return success();
  std::string message = fmt::format("a write of data would destroy {} at {:#x}", victim, host.offset);
  Error error = co_await image_.damage.found(std::move(message), host.offset);
  co_return error;
}

Task<Result<std::uint64_t>> Writer::writePart(Extent at, IoVector from, WriteFlags how, bool& mustCommit) {
  const std::uint32_t bits = image_.geometry.clusterBits;
  const std::uint64_t first = at.offset >> bits;
  while (true) {
    std::optional<TableCache::Hold> slice = image_.mapping.findNow(at.offset);
    if (!slice) {
      RHEA_CO_TRY(slice, co_await image_.mapping.find(at.offset));
    }
    const Segment segment = segmentAt(image_, *slice, at);
    if (segment.kind == Segment::Kind::kData && segment.copied) {
      RHEA_CO_CHECK(co_await checkTarget(Extent(segment.host, segment.length)));
      // Where its mapping is not stable yet, one commit makes both so.
      const bool mapped = image_.generations.isStable(slice->generation());
      if (!mapped) mustCommit = true;
      const WriteFlags flags = mapped ? how : how.without(WriteFlags::stable());
      RHEA_CO_CHECK(
          co_await image_.data.write(Extent(segment.host, segment.length), from.slice(0, segment.length), flags));
      co_return segment.length;
    }
    const std::uint64_t reach = image_.mapping.sliceReach();
    const std::uint64_t sliceEnd = (alignDown(at.offset, reach) + reach) >> bits;
    const std::uint64_t end = image_.busy.firstBusy(first, std::min(((at.end() - 1) >> bits) + 1, sliceEnd));
    if (end == first) {
      co_await image_.busy.waitFor(first);
      continue;
    }
    BusyClusters::Claim claim(image_.busy, first, end);
    RHEA_CO_TRY(TableCache::Hold owned, co_await image_.mapping.own(at.offset));
    Run run = runAt(std::move(owned), at, end);
    if (run.problem != nullptr) {
      std::string message = fmt::format("the L2 entry of the disk's offset {:#x} {}", at.offset, run.problem);
      Error error = co_await image_.damage.found(std::move(message), image_.mapping.entryOffset(run.slice, at.offset));
      co_return error;
    }
    if (run.count == 0) continue;
    RHEA_CO_CHECK(co_await place(run));
    claim.shrink(first + run.count);
    mustCommit = true;
    co_return co_await writeAllocating(run, at, from);
  }
}

ClusterView Writer::viewOf(const TableCache::Hold& slice, std::uint64_t guest) const {
  return {image_.mapping.entry(slice, guest), image_.geometry, image_.isExternal()};
}

// The clusters from the start of `at` on that need a place; or the one that has its own, but not all of what is
// written.
Writer::Run Writer::runAt(TableCache::Hold slice, Extent at, std::uint64_t endCluster) const {
  const std::uint32_t bits = image_.geometry.clusterBits;
  Run run;
  run.slice = std::move(slice);
  run.first = at.offset >> bits;
  for (std::uint64_t cluster = run.first; cluster < endCluster; ++cluster) {
    const ClusterView view = viewOf(run.slice, cluster << bits);
    if (view.problem != nullptr) {
      if (run.count == 0) run.problem = view.problem;
      break;
    }
    const bool own = view.hasHost && !view.compressed && view.copied;
    if (own && run.count != 0) break;
    run.lastView = view;
    if (run.count++ == 0) run.firstView = view;
    if (!own) continue;
    const Segment now = segmentAt(image_, run.slice, at);
    if (now.kind == Segment::Kind::kData && now.copied) run.count = 0;  // somebody came first
    run.own = true;
    run.host = view.host;
    break;
  }
  return run;
}

Task<Result<void>> Writer::place(Run& run) {
  if (run.own) co_return success();
  const std::uint32_t bits = image_.geometry.clusterBits;
  if (image_.isExternal()) {
    run.host = run.first << bits;
    run.virgin = run.host >= image_.data.length();
    co_return success();
  }
  RHEA_CO_TRY(const Allocation made, co_await image_.allocator.take(run.count));
  run.host = made.offset;
  run.virgin = made.virgin;
  if (made.count < run.count) {
    run.count = made.count;
    run.lastView = viewOf(run.slice, (run.first + run.count - 1) << bits);
  }
  co_return success();
}

Task<Result<std::uint64_t>> Writer::writeAllocating(Run& run, Extent at, IoVector from) {
  const std::uint32_t bits = image_.geometry.clusterBits;
  const std::uint64_t end = std::min(at.end(), (run.first + run.count) << bits);
  const Extent part(at.offset, end - at.offset);
  const Result<void> written = co_await writeMerged(run, part, from.slice(0, part.length));
  if (written.ok()) co_return part.length;
  if (!run.own && !image_.isExternal()) {
    image_.allocator.giveBack(FreedSpace(Extent(run.host, run.count << bits), FreeReason::kOther));
  }
  co_return written.error();
}

bool Writer::readsAsZero(const ClusterView& view, Extent part) const {
  if (view.compressed) return false;
  const Geometry& geometry = image_.geometry;
  const bool zeroBehind = image_.reader.isZeroBehind(part);
  for (std::uint64_t at = part.offset; at < part.end();) {
    const std::uint64_t sub = geometry.inCluster(at) / geometry.subclusterSize();
    const std::uint32_t bit = 1U << sub;
    if ((view.data & bit) != 0 || ((view.zero & bit) == 0 && !zeroBehind)) return false;
    at = geometry.clusterStart(at) + (sub + 1) * geometry.subclusterSize();
  }
  return true;
}

// What is written with the data so that whole subclusters (of clusters that were shared: all of them) are stored.
Task<Result<void>> Writer::writeMerged(Run& run, Extent at, IoVector from) {
  const Geometry& geometry = image_.geometry;
  const auto wholeCluster = [&](const ClusterView& view) { return view.compressed || (view.hasHost && !run.own); };
  const std::uint64_t firstUnit = wholeCluster(run.firstView) ? geometry.clusterSize() : geometry.subclusterSize();
  const std::uint64_t lastUnit = wholeCluster(run.lastView) ? geometry.clusterSize() : geometry.subclusterSize();
  const std::uint64_t begin = alignDown(at.offset, firstUnit);
  const std::uint64_t end = alignUp(at.end(), lastUnit);
  const Extent head(begin, at.offset - begin);
  const Extent tail(at.end(), end - at.end());
  const Extent all(begin, end - begin);
  const std::uint64_t hostBegin = run.host + (begin - (run.first << geometry.clusterBits));
  RHEA_CO_CHECK(co_await checkTarget(Extent(hostBegin, all.length)));

  const bool headZero = head.empty() || readsAsZero(run.firstView, head);
  const bool tailZero = tail.empty() || readsAsZero(run.lastView, tail);
  const bool writeHead = !head.empty() && !(headZero && run.virgin);
  const bool writeTail = !tail.empty() && !(tailZero && run.virgin);
  const std::uint64_t headBytes = writeHead ? head.length : 0;
  const std::uint64_t tailBytes = writeTail ? tail.length : 0;
  const std::uint64_t hostAt = hostBegin + head.length - headBytes;
  if (headBytes + tailBytes == 0) {
    RHEA_CO_CHECK(co_await image_.data.write(Extent(hostAt, at.length), from, WriteFlags()));
    link(run, all);
    co_return success();
  }
  constexpr std::size_t kAlignment = 4096;
  const BounceBuffer buffer(headBytes + tailBytes, kAlignment);
  if (!buffer.ok()) co_return Error::fromErrno(ENOMEM);
  const IoVector headMemory = buffer.view(0, headBytes);
  const IoVector tailMemory = buffer.view(headBytes, tailBytes);
  if (headZero) {
    headMemory.fill(std::byte{0});
  } else {
    RHEA_CO_CHECK(co_await image_.reader.read(head, headMemory));
  }
  if (tailZero) {
    tailMemory.fill(std::byte{0});
  } else {
    RHEA_CO_CHECK(co_await image_.reader.read(tail, tailMemory));
  }
  std::vector<iovec> pieces;
  const auto add = [&pieces](std::byte* memory, std::size_t bytes) { pieces.push_back(iovec{memory, bytes}); };
  headMemory.forEach(add);
  from.forEach(add);
  tailMemory.forEach(add);
  const IoVector merged{std::span<const iovec>(pieces)};
  RHEA_CO_CHECK(co_await image_.data.write(Extent(hostAt, merged.length()), merged, WriteFlags()));
  link(run, all);
  co_return success();
}

// The data is in its place: the entries may point there.
void Writer::link(Run& run, Extent written) {
  const Geometry& geometry = image_.geometry;
  for (std::uint64_t i = 0; i < run.count; ++i) {
    const std::uint64_t guest = (run.first + i) << geometry.clusterBits;
    const ClusterEntry before = image_.mapping.entry(run.slice, guest);
    const ClusterView old(before, geometry, image_.isExternal());
    std::uint32_t stored = 0;
    for (std::uint32_t sub = 0; sub < geometry.subclusters(); ++sub) {
      const Extent part(guest + sub * geometry.subclusterSize(), geometry.subclusterSize());
      if (written.contains(part)) stored |= 1U << sub;
    }
    ClusterView now;
    const bool replaced = old.compressed || (old.hasHost && !run.own);
    now.hasHost = true;
    now.copied = true;
    now.host = run.host + (i << geometry.clusterBits);
    now.data = (replaced ? 0 : old.data) | stored;
    now.zero = (replaced ? 0 : old.zero) & ~stored;
    image_.mapping.setEntry(run.slice, guest, now.entry(geometry));
    if (replaced) giveBackOld(old, before.word, FreeReason::kOther);
  }
}

void Writer::giveBackOld(const ClusterView& view, std::uint64_t word, FreeReason why) {
  if (view.compressed) {
    const CompressedPlace place = compressedPlace(word, image_.geometry);
    image_.allocator.giveBack(FreedSpace(Extent(place.offset, place.bytes), why));
  } else if (view.hasHost && !image_.isExternal()) {
    image_.allocator.giveBack(FreedSpace(Extent(view.host, image_.geometry.clusterSize()), why));
  }
}

}  // namespace rhea::block::qcow2
