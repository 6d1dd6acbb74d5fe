// Zeroes and discards of a node.
#include <cerrno>

#include "block/core/bounce.h"
#include "block/core/node.h"
#include "emu/io/loop.h"

namespace rhea::block {

namespace {

constexpr std::uint64_t kZeroBuffer = std::uint64_t{1} << 20;

// The aligned middle of an extent; empty where there is none. Alignments of zeroes and discards need not be powers
// of 2.
Extent alignedIn(Extent at, std::uint64_t alignment) {
  const std::uint64_t begin = (at.offset + alignment - 1) / alignment * alignment;
  const std::uint64_t end = at.end() / alignment * alignment;
  return begin < end ? Extent(begin, end - begin) : Extent(at.offset, 0);
}

}  // namespace

Task<Result<void>> Node::writeZeroes(const Child& by, Extent at, WriteFlags how) {
  if (at.empty()) co_return success();
  RHEA_CO_CHECK(checkChange(by, at));
  if (isNoFlush()) how = how.without(WriteFlags::stable());
  if (how.isStable() && accounts()) RHEA_CO_CHECK(ledger_.check());
  Loop* const back = mustReturnTo();
  if (back != nullptr) co_await home().enter();
  const TimePoint since = coarseNow();
  Result<void> outcome = co_await zeroTracked(at, how);
  count(IoKind::kWrite, at, since, outcome);
  if (back != nullptr) co_await back->enter();
  co_return outcome;
}

Task<Result<void>> Node::zeroTracked(Extent at, WriteFlags how) {
  if (discardPolicy() != DiscardPolicy::kUnmap) how = how.without(WriteFlags::mayUnmap());
  const bool stable = how.isStable();
  // A host's fallocate is not stable by itself: what does not pass through is flushed afterwards.
  const WriteFlags now = info_.passThrough ? how : how.without(WriteFlags::stable());
  Result<void> outcome = success();
  {
    TrackedRequest request(tracker_, IoKind::kWrite, at);
    while (true) {
      const Limits limits = driver_->limits();
      if (((at.offset | at.length) & (limits.requestAlignment - 1)) != 0) {
        co_await tracker_.beginExclusive(request, at.alignedOut(limits.requestAlignment));
      } else if (!tracker_.begin(request)) {
        co_await tracker_.beginSlowly(request);
      }
      outcome = co_await zeroPieces(at, now, limits);
      if (outcome.ok() || !isLimitsChanged(outcome.error())) break;
      tracker_.end(request);
    }
    if (accounts()) {
      if (outcome.ok()) {
        ledger_.changed(at);
      } else {
        ledger_.touched();
      }
    }
    if (outcome.ok()) noteWritten(at);
  }
  if (outcome.ok() && stable && !info_.passThrough) outcome = co_await flushHere(FlushTo::kStable);
  co_return outcome;
}

Task<Result<void>> Node::zeroPieces(Extent at, WriteFlags how, Limits limits) {
  if (zeroWriter_ == nullptr) {
    if (how.isNoFallback()) co_return Error::fromErrno(EOPNOTSUPP);
    co_return co_await zeroByWriting(at, how, limits);
  }
  const Extent middle = alignedIn(at, std::max<std::uint64_t>(limits.zeroAlignment, 1));
  if (middle.length != at.length && how.isNoFallback()) co_return Error::fromErrno(EOPNOTSUPP);
  if (middle.empty()) co_return co_await zeroByWriting(at, how, limits);
  if (middle.offset > at.offset) {
    RHEA_CO_CHECK(co_await zeroByWriting(Extent(at.offset, middle.offset - at.offset), how, limits));
  }
  for (std::uint64_t done = 0; done < middle.length;) {
    const std::uint64_t most = limits.maxZero == 0 ? middle.length : limits.maxZero;
    const Extent part = middle.slice(done, std::min(middle.length - done, most));
    Result<void> outcome = co_await zeroWriter_->writeZeroes(part, how);
    if (!outcome.ok()) {
      if (outcome.error().code() != EOPNOTSUPP || how.isNoFallback()) co_return outcome;
      RHEA_CO_CHECK(co_await zeroByWriting(part, how, limits));
    }
    done += part.length;
  }
  if (middle.end() < at.end()) {
    RHEA_CO_CHECK(co_await zeroByWriting(Extent(middle.end(), at.end() - middle.end()), how, limits));
  }
  co_return success();
}

// The caller accounts and holds the range.
Task<Result<void>> Node::zeroByWriting(Extent at, WriteFlags how, Limits limits) {
  const std::uint64_t size = std::min(at.length, kZeroBuffer);
  const BounceBuffer buffer(size, std::max<std::size_t>({limits.memoryAlignment, limits.requestAlignment, 64}));
  if (!buffer.ok()) co_return Error::fromErrno(ENOMEM);
  buffer.view(0, size).fill(std::byte{0});
  const WriteFlags plain = how.without(WriteFlags::mayUnmap() | WriteFlags::noFallback());
  for (std::uint64_t done = 0; done < at.length;) {
    // The first piece ends on a multiple of the buffer's size, so that the others are aligned.
    const std::uint64_t until = size - (at.offset + done) % size;
    const std::uint64_t length = std::min({until, at.length - done, size});
    RHEA_CO_CHECK(co_await writePieces(at.slice(done, length), buffer.view(0, length), plain, limits));
    done += length;
  }
  co_return success();
}

Task<Result<void>> Node::discard(const Child& by, Extent at, WriteFlags how) {
  if (at.empty()) co_return success();
  RHEA_CO_CHECK(checkChange(by, at));
  if (discards_ == nullptr || discardPolicy() == DiscardPolicy::kIgnore) co_return success();
  if (isNoFlush()) how = how.without(WriteFlags::stable());
  if (how.isStable() && accounts()) RHEA_CO_CHECK(ledger_.check());
  const bool thenFlush = how.isStable() && !info_.passThrough;
  Loop* const back = mustReturnTo();
  if (back != nullptr) co_await home().enter();
  Result<void> outcome = success();
  const TimePoint since = coarseNow();
  {
    TrackedRequest request(tracker_, IoKind::kDiscard, at);
    do {
      tracker_.end(request);
      if (!tracker_.begin(request)) co_await tracker_.beginSlowly(request);
      outcome = co_await discardPieces(at, thenFlush ? how.without(WriteFlags::stable()) : how, driver_->limits());
    } while (!outcome.ok() && isLimitsChanged(outcome.error()));
    if (accounts()) {
      if (outcome.ok()) {
        ledger_.changed(at);
      } else {
        ledger_.touched();
      }
    }
  }
  if (outcome.ok() && thenFlush) outcome = co_await flushHere(FlushTo::kStable);
  count(IoKind::kDiscard, at, since, outcome);
  if (back != nullptr) co_await back->enter();
  co_return outcome;
}

Task<Result<void>> Node::discardPieces(Extent at, WriteFlags how, Limits limits) {
  const Extent middle = alignedIn(at, std::max<std::uint64_t>(limits.discardAlignment, 1));
  const std::uint64_t most = limits.maxDiscard == 0 ? middle.length : limits.maxDiscard;
  for (std::uint64_t done = 0; done < middle.length;) {
    const Extent part = middle.slice(done, std::min(middle.length - done, most));
    Result<void> outcome = co_await discards_->discard(part, how);
    if (!outcome.ok()) {
      if (outcome.error().code() == EOPNOTSUPP) co_return success();  // advice that is not taken
      co_return outcome;
    }
    done += part.length;
  }
  co_return success();
}

}  // namespace rhea::block
