#include "block/core/node.h"

#include <cerrno>

#include "block/core/observer.h"
#include "emu/io/loop.h"

namespace rhea::block {

Node::Node(std::string name, const DriverInfo& info, NodeOptions options, OpenFlags flags, Loop& home,
           GraphObserver& observer)
    : name_(std::move(name)),
      info_(info),
      options_(std::move(options)),
      observer_(observer),
      home_(&home),
      ledger_(info.kind == DriverKind::kProtocol || info.latchesFlush) {
  setFlags(flags);
}

Node::~Node() = default;

void Node::setFlags(OpenFlags flags) {
  autoReadOnly_ = flags.autoReadOnly;
  forceShare_ = flags.forceShare;
  const bool cannotWrite = driver_ != nullptr && driver_->isReadOnly();
  readOnly_.store(flags.readOnly || cannotWrite, std::memory_order_relaxed);
  direct_.store(flags.direct, std::memory_order_relaxed);
  noFlush_.store(flags.noFlush, std::memory_order_relaxed);
  discard_.store(flags.discard, std::memory_order_relaxed);
  detectZeroes_.store(options_.detectZeroes.value_or(DetectZeroes::kOff), std::memory_order_relaxed);
}

OpenFlags Node::flags() const {
  OpenFlags flags;
  flags.readOnly = isReadOnly();
  flags.autoReadOnly = autoReadOnly_;
  flags.direct = isDirect();
  flags.noFlush = isNoFlush();
  flags.forceShare = forceShare_;
  flags.discard = discardPolicy();
  return flags;
}

void Node::setDriver(std::unique_ptr<Driver> driver) {
  driver_ = std::move(driver);
  Driver* const it = driver_.get();
  discards_ = dynamic_cast<Discards*>(it);
  zeroWriter_ = dynamic_cast<ZeroWriter*>(it);
  mapper_ = dynamic_cast<Mapper*>(it);
  resizer_ = dynamic_cast<Resizer*>(it);
  reopener_ = dynamic_cast<Reopener*>(it);
  rightsKeeper_ = dynamic_cast<RightsKeeper*>(it);
  informer_ = dynamic_cast<Informer*>(it);
  drainAware_ = dynamic_cast<DrainAware*>(it);
  homeAware_ = dynamic_cast<HomeAware*>(it);
  if (it != nullptr && it->isReadOnly()) readOnly_.store(true, std::memory_order_relaxed);
}

Child* Node::child(std::string_view name) const {
  for (const auto& child : children_) {
    if (child->name() == name) return child.get();
  }
  return nullptr;
}

Child* Node::passThroughChild() const {
  if (!info_.passThrough) return nullptr;
  for (const auto& child : children_) {
    if (child->isAttached() && (child->role() == ChildRole::kFiltered || child->role() == ChildRole::kData)) {
      return child.get();
    }
  }
  return nullptr;
}

std::string Node::fileName() const {
  if (informer_ != nullptr) return informer_->fileName();
  if (const Child* child = passThroughChild()) return child->node().fileName();
  return "[" + name_ + "]";
}

void Node::tellLatched() {
  if (ledger_.isLatched() && !latchTold_.exchange(true)) observer_.flushLatched(name_, ledger_.latchedWhy());
}

void Node::reopened() {
  ledger_.reopened();
  latchTold_.store(false);
  stableUnsupported_.store(false);
}

void Node::noteWritten(Extent written) {
  std::uint64_t highest = highestWritten_.load(std::memory_order_relaxed);
  while (written.end() > highest &&
         !highestWritten_.compare_exchange_weak(highest, written.end(), std::memory_order_relaxed)) {
  }
  std::uint64_t threshold = writeThreshold_.load(std::memory_order_relaxed);
  if (threshold == 0 || written.end() <= threshold) return;
  // Once: whoever takes it tells.
  if (!writeThreshold_.compare_exchange_strong(threshold, 0, std::memory_order_relaxed)) return;
  observer_.writeThreshold(name_, written.end() - threshold, threshold);
}

void Node::count(IoKind kind, Extent at, TimePoint since, const Result<void>& outcome) {
  const TimePoint now = coarseNow();
  const auto took = static_cast<std::uint64_t>(std::chrono::nanoseconds(now - since).count());
  if (outcome.ok()) {
    statistics_.done(kind, at, took, now);
  } else {
    statistics_.failed(kind, took, now);
  }
}

Task<Result<void>> Node::flush(FlushTo to) {
  Loop* const back = mustReturnTo();
  if (back != nullptr) co_await home().enter();
  Result<void> outcome = success();
  const TimePoint since = coarseNow();
  {
    TrackedRequest request(tracker_, IoKind::kFlush, {});
    tracker_.begin(request);
    outcome = co_await flushHere(to);
  }
  count(IoKind::kFlush, {}, since, outcome);
  if (back != nullptr) co_await back->enter();
  co_return outcome;
}

Task<Result<void>> Node::flushHere(FlushTo to) {
  const FlushTo really = isNoFlush() ? FlushTo::kHost : to;
  if (really == FlushTo::kHost || !accounts()) co_return co_await driver_->flush(really);
  if (!children_.empty()) ledger_.touched();  // what is below may have been changed by others
  std::function<Task<Result<void>>()> sync = [this] { return driver_->flush(FlushTo::kStable); };
  Result<void> outcome = co_await ledger_.flush(std::move(sync));
  if (!outcome.ok()) tellLatched();
  co_return outcome;
}

Task<Result<BlockStatus>> Node::status(Extent at, bool precise) {
  const std::uint64_t length = driver_->length();
  if (at.empty() || !at.representable()) co_return Error::fromErrno(EINVAL);
  if (at.offset >= length) {
    BlockStatus beyond(at.length);
    beyond.data = false;
    beyond.zero = true;
    beyond.endOfFile = true;
    co_return beyond;
  }
  at.length = std::min(at.length, length - at.offset);
  if (mapper_ == nullptr) {
    if (Child* child = passThroughChild(); child != nullptr) co_return co_await child->status(at, precise);
    BlockStatus all(at.length);
    all.endOfFile = at.end() == length;
    co_return all;
  }
  Loop* const back = mustReturnTo();
  if (back != nullptr) co_await home().enter();
  Result<BlockStatus> status = co_await mapper_->status(at, precise);
  if (back != nullptr) co_await back->enter();
  if (status.ok()) {
    status->length = std::min(status->length, at.length);
    status->endOfFile = at.offset + status->length >= length;
  }
  co_return status;
}

Task<Result<void>> Node::resize(const Child& by, std::uint64_t length, Preallocation preallocation) {
  if (!by.rights().used.has(Permissions::resize())) co_return Error::fromErrno(EPERM);
  if (isReadOnly()) co_return Error::fromErrno(EROFS, fmt::format("node '{}' is read-only", name_));
  if (resizer_ == nullptr) {
    co_return Error::fromErrno(
        EOPNOTSUPP, fmt::format("node '{}' cannot be resized: driver '{}' has a fixed length", name_, info_.name));
  }
  Loop* const back = mustReturnTo();
  if (back != nullptr) co_await home().enter();
  Result<void> outcome = success();
  {
    TrackedRequest request(tracker_, IoKind::kWrite, {0, Extent::kMost});
    co_await tracker_.beginExclusive(request, Extent(0, Extent::kMost));
    outcome = co_await resizer_->resize(length, preallocation);
    if (outcome.ok() && accounts()) ledger_.changed(Extent());
  }
  if (back != nullptr) co_await back->enter();
  co_return outcome;
}

}  // namespace rhea::block
