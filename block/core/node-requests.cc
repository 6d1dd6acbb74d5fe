// Reads and writes of a node: bounds, alignment, splitting, what is accounted.
#include <cerrno>

#include "block/core/bounce.h"
#include "block/core/node.h"
#include "emu/io/loop.h"

namespace rhea::block {

namespace {

constexpr std::uint64_t kMostBounced = std::uint64_t{1} << 20;  // bytes in one bounce buffer

// Whether the driver takes the request as it is.
bool fits(const Limits& limits, Extent at, const IoVector& data) {
  if (((at.offset | at.length) & (limits.requestAlignment - 1)) != 0) return false;
  if (limits.maxTransfer != 0 && at.length > limits.maxTransfer) return false;
  if (limits.memoryAlignment > 1 && !data.isAligned(limits.memoryAlignment)) return false;
  return data.isContiguous() || data.pieces() <= limits.maxPieces;
}

// The next piece of [at, ...) that goes in one request: either aligned and as long as the limits allow, or an unaligned
// head or tail that needs a bounce buffer.
struct Piece {
  std::uint64_t length = 0;
  bool aligned = true;
};

Piece nextPiece(const Limits& limits, Extent rest) {
  const std::uint64_t alignment = limits.requestAlignment;
  const std::uint64_t head = rest.offset & (alignment - 1);
  if (head != 0) return {std::min(alignment - head, rest.length), false};
  const std::uint64_t whole = rest.length & ~(alignment - 1);
  if (whole == 0) return {rest.length, false};
  const std::uint64_t most =
      limits.maxTransfer == 0 ? whole : std::max(limits.maxTransfer & ~(alignment - 1), alignment);
  return {std::min(whole, most), true};
}

// From so many stable writes at a time on one flush for all costs less than one of the device for each.
constexpr unsigned kGroup = 3;

// A stable write's place in the count of those in flight.
class StableWrite {
 public:
  explicit StableWrite(std::atomic<unsigned>* count) : count_(count) {
    if (count_ != nullptr) count_->fetch_add(1, std::memory_order_relaxed);
  }
  ~StableWrite() {
    if (count_ != nullptr) count_->fetch_sub(1, std::memory_order_relaxed);
  }
  StableWrite(const StableWrite&) = delete;
  StableWrite& operator=(const StableWrite&) = delete;

 private:
  std::atomic<unsigned>* count_;
};

std::size_t bounceAlignment(const Limits& limits) {
  return std::max<std::size_t>({limits.memoryAlignment, limits.requestAlignment, 64});
}

}  // namespace

Task<Result<void>> Node::read(Extent at, IoVector to) {
  if (!at.representable() || at.length != to.length()) co_return Error::fromErrno(EINVAL);
  if (at.empty()) co_return success();
  const TimePoint since = coarseNow();
  const Extent asked = at;
  TrackedRequest request(tracker_, IoKind::kRead, at);
  tracker_.begin(request);
  if (const std::uint64_t length = driver_->length(); at.end() > length) {
    const std::uint64_t inside = at.offset < length ? length - at.offset : 0;
    to.slice(inside, at.length - inside).fill(std::byte{0});
    if (inside == 0) {
      count(IoKind::kRead, asked, since, success());
      co_return success();
    }
    at.length = inside;
    to = to.slice(0, inside);
  }
  Loop* const back = mustReturnTo();
  if (back != nullptr) co_await home().enter();
  Result<void> outcome = success();
  do {
    const Limits limits = driver_->limits();
    if (fits(limits, at, to)) {
      outcome = co_await driver_->read(at, to);
    } else {
      outcome = co_await readPieces(at, to, limits);
    }
  } while (!outcome.ok() && isLimitsChanged(outcome.error()));
  count(IoKind::kRead, asked, since, outcome);
  if (back != nullptr) co_await back->enter();
  co_return outcome;
}

Task<Result<void>> Node::readPieces(Extent at, IoVector to, Limits limits) {
  for (std::uint64_t done = 0; done < at.length;) {
    const Piece piece = nextPiece(limits, at.slice(done, at.length - done));
    std::uint64_t length = piece.length;
    const Extent part = at.slice(done, length);
    const IoVector memory = to.slice(done, length);
    if (piece.aligned && fits(limits, part, memory)) {
      RHEA_CO_CHECK(co_await driver_->read(part, memory));
    } else {
      if (piece.aligned) length = std::min(length, kMostBounced);
      RHEA_CO_CHECK(co_await readBounced(at.slice(done, length), to.slice(done, length), limits));
    }
    done += length;
  }
  co_return success();
}

Task<Result<void>> Node::readBounced(Extent at, IoVector to, Limits limits) {
  const Extent whole = at.alignedOut(limits.requestAlignment);
  const BounceBuffer buffer(whole.length, bounceAlignment(limits));
  if (!buffer.ok()) co_return Error::fromErrno(ENOMEM);
  RHEA_CO_CHECK(co_await driver_->read(whole, buffer.view(0, whole.length)));
  to.copyFrom(buffer.data() + (at.offset - whole.offset), static_cast<std::size_t>(at.length));
  co_return success();
}

Result<void> Node::checkChange(const Child& by, Extent at) const {
  if (!at.representable()) return Error::fromErrno(EINVAL);
  if (isReadOnly()) return Error::fromErrno(EROFS);
  if (at.end() > driver_->length() && !(info_.growable && by.rights().used.has(Permissions::resize()))) {
    return Error::fromErrno(EIO);
  }
  return success();
}

Task<Result<void>> Node::write(const Child& by, Extent at, IoVector from, WriteFlags how) {
  if (at.length != from.length()) co_return Error::fromErrno(EINVAL);
  if (at.empty()) co_return success();
  RHEA_CO_CHECK(checkChange(by, at));
  if (isNoFlush()) how = how.without(WriteFlags::stable());
  if (how.isStable() && accounts()) RHEA_CO_CHECK(ledger_.check());
  Loop* const back = mustReturnTo();
  if (back != nullptr) co_await home().enter();
  Result<void> outcome = success();
  const TimePoint since = coarseNow();
  if (const DetectZeroes detect = detectZeroes(); detect != DetectZeroes::kOff && from.isZero()) {
    if (detect == DetectZeroes::kUnmap && discardPolicy() == DiscardPolicy::kUnmap) how = how | WriteFlags::mayUnmap();
    outcome = co_await zeroTracked(at, how);
  } else {
    outcome = co_await writeTracked(at, from, how);
  }
  count(IoKind::kWrite, at, since, outcome);
  if (back != nullptr) co_await back->enter();
  co_return outcome;
}

bool Node::joinsGroup() const { return info_.flushesGroups && stableWrites_.load(std::memory_order_relaxed) >= kGroup; }

Task<Result<void>> Node::writeTracked(Extent at, IoVector from, WriteFlags how) {
  const bool stable = how.isStable();
  const StableWrite counted(stable && info_.flushesGroups ? &stableWrites_ : nullptr);
  TrackedRequest request(tracker_, IoKind::kWrite, at);
  Result<void> outcome = success();
  bool byFlush = false;  // stable by a flush that follows, not by the write itself
  while (true) {
    byFlush = stable && (stableUnsupported_.load(std::memory_order_relaxed) || joinsGroup());
    const WriteFlags now = byFlush ? how.without(WriteFlags::stable()) : how;
    const Limits limits = driver_->limits();
    if (((at.offset | at.length) & (limits.requestAlignment - 1)) != 0) {
      co_await tracker_.beginExclusive(request, at.alignedOut(limits.requestAlignment));
    } else if (!tracker_.begin(request)) {
      co_await tracker_.beginSlowly(request);
    }
    if (fits(limits, at, from)) {
      outcome = co_await driver_->write(at, from, now);
    } else {
      outcome = co_await writePieces(at, from, now, limits);
    }
    if (outcome.ok()) break;
    const bool stableRefused = now.isStable() && outcome.error().code() == EOPNOTSUPP;
    if (stableRefused) stableUnsupported_.store(true, std::memory_order_relaxed);
    if (!stableRefused && !isLimitsChanged(outcome.error())) break;
    tracker_.end(request);
  }
  if (accounts()) {
    if (!outcome.ok()) {
      ledger_.touched();  // part of it may have been written
      // The kernel may have dropped the dirty pages of a buffered write that it could not make stable.
      if (stable && !byFlush && !isDirect() && ledger_.latch(outcome.error(), "a stable write")) tellLatched();
    } else if (byFlush) {
      ledger_.touched();  // it has not completed until it is flushed, so nothing of it can be lost
    } else if (!stable) {
      ledger_.changed(at);
    }
  }
  if (outcome.ok()) noteWritten(at);
  tracker_.end(request);
  if (outcome.ok() && byFlush) outcome = co_await flushHere(FlushTo::kStable);
  co_return outcome;
}

Task<Result<void>> Node::writePieces(Extent at, IoVector from, WriteFlags how, Limits limits) {
  for (std::uint64_t done = 0; done < at.length;) {
    const Piece piece = nextPiece(limits, at.slice(done, at.length - done));
    std::uint64_t length = piece.length;
    const Extent part = at.slice(done, length);
    const IoVector memory = from.slice(done, length);
    if (piece.aligned && fits(limits, part, memory)) {
      RHEA_CO_CHECK(co_await driver_->write(part, memory, how));
    } else {
      if (piece.aligned) length = std::min(length, kMostBounced);
      RHEA_CO_CHECK(co_await writeBounced(at.slice(done, length), from.slice(done, length), how, limits));
    }
    done += length;
  }
  co_return success();
}

// Read-modify-write where the extent is not aligned; the caller holds the range.
Task<Result<void>> Node::writeBounced(Extent at, IoVector from, WriteFlags how, Limits limits) {
  const Extent whole = at.alignedOut(limits.requestAlignment);
  const BounceBuffer buffer(whole.length, bounceAlignment(limits));
  if (!buffer.ok()) co_return Error::fromErrno(ENOMEM);
  if (whole.length != at.length) {
    if (whole.offset >= driver_->length()) {
      buffer.view(0, whole.length).fill(std::byte{0});
    } else {
      RHEA_CO_CHECK(co_await driver_->read(whole, buffer.view(0, whole.length)));
    }
  }
  from.copyTo(buffer.data() + (at.offset - whole.offset), static_cast<std::size_t>(at.length));
  co_return co_await driver_->write(whole, buffer.view(0, whole.length), how);
}

}  // namespace rhea::block
