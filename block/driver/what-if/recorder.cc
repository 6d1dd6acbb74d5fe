#include "block/driver/what-if/recorder.h"

#include "block/core/node.h"

namespace rhea::block::what_if {

Task<Result<Moment>> Recorder::stopped(CancelToken cancel) {
  const std::shared_ptr<UnderWay> asked = log_->ask();
  gate_.shut();
  const Result<void> empty = co_await gate_.waitUntilEmpty(std::move(cancel));
  std::optional<Moment> now;
  if (empty.ok()) now = log_->moment(*asked);
  gate_.open();
  if (!now) co_return empty.error();
  co_return *std::move(now);
}

Task<Change> Recorder::former(Extent at) {
  Change change;
  change.at = at;
  change.endAfter = at.end();
  if (at.offset >= below_.length()) co_return change;  // zeroes
  const Result<BlockStatus> status = co_await below_.status(at, true);
  if (status.ok() && status->zero && (status->length >= at.length || status->endOfFile)) co_return change;
  // Zeroes take no room, whatever the file calls them.
  constexpr std::uint64_t kLookAnyway = 1 << 20;
  const bool room = log_->hasRoom(at.length);
  change.known = room || at.length <= kLookAnyway;
  if (!change.known) co_return change;
  std::vector<std::byte> bytes(at.length);
  const IoVector into{std::span<std::byte>(bytes)};
  const Result<void> read = co_await below_.read(at, into);
  const bool zero = read.ok() && into.isZero();
  change.known = read.ok() && (zero || room);
  if (change.known && !zero) change.before = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  co_return change;
}

Task<Result<void>> Recorder::recorded(Change change, Task<Result<void>> work, bool stable) {
  const std::uint64_t number = log_->begin(std::move(change));
  Result<void> outcome = co_await std::move(work);
  // What a node without flushes calls stable is not.
  log_->end(number, stable && outcome.ok() && !below_.node().isNoFlush());
  co_return outcome;
}

Task<Result<void>> Recorder::write(Extent at, IoVector from, WriteFlags how) {
  RHEA_CO_TRY(const EpochGate::Pass pass, co_await gate_.enter());
  TrackedRequest request(changes_, IoKind::kWrite, at);
  co_await changes_.beginExclusive(request, at);
  Change change = co_await former(at);
  Task<Result<void>> work = below_.write(at, from, how);
  co_return co_await recorded(std::move(change), std::move(work), how.isStable());
}

Task<Result<void>> Recorder::writeZeroes(Extent at, WriteFlags how) {
  RHEA_CO_TRY(const EpochGate::Pass pass, co_await gate_.enter());
  TrackedRequest request(changes_, IoKind::kWrite, at);
  co_await changes_.beginExclusive(request, at);
  Change change = co_await former(at);
  Task<Result<void>> work = below_.writeZeroes(at, how);
  co_return co_await recorded(std::move(change), std::move(work), how.isStable());
}

Task<Result<void>> Recorder::discard(Extent at, WriteFlags how) {
  RHEA_CO_TRY(const EpochGate::Pass pass, co_await gate_.enter());
  TrackedRequest request(changes_, IoKind::kDiscard, at);
  co_await changes_.beginExclusive(request, at);
  Change change = co_await former(at);
  change.endAfter = 0;  // a discard makes no file longer
  Task<Result<void>> work = below_.discard(at, how);
  co_return co_await recorded(std::move(change), std::move(work), how.isStable());
}

Task<Result<void>> Recorder::resize(std::uint64_t length, Preallocation preallocation) {
  RHEA_CO_TRY(const EpochGate::Pass pass, co_await gate_.enter());
  const Extent everything(0, Extent::kMost);
  TrackedRequest request(changes_, IoKind::kWrite, everything);
  co_await changes_.beginExclusive(request, everything);
  const std::uint64_t now = below_.length();
  const Extent moved = length < now ? Extent(length, now - length) : Extent(now, length - now);
  Change change = co_await former(moved);
  change.cut = length < now;
  change.endAfter = length;
  Task<Result<void>> work = below_.resize(length, preallocation);
  co_return co_await recorded(std::move(change), std::move(work), false);
}

Task<Result<void>> Recorder::flush(FlushTo to) {
  const std::uint64_t covered = log_->covered();
  RHEA_CO_CHECK(co_await below_.flush(to));
  if (to == FlushTo::kStable && !below_.node().isNoFlush()) log_->flushed(covered);
  co_return success();
}

namespace {

Task<Result<std::unique_ptr<Driver>>> openRecorder(OpenContext, DriverOptions options, Children children) {
  co_return std::make_unique<Recorder>(children.get("file"), options.as<std::uint64_t>());
}

DriverInfo describe() {
  DriverInfo info;
  info.name = "what-if";
  info.kind = DriverKind::kFilter;
  info.growable = true;  // where its file grows
  info.passThrough = true;
  info.children = {{"file", ChildRole::kFiltered, true, false}};
  info.open = openRecorder;
  return info;
}

}  // namespace

const DriverInfo& recorderDriver() {
  static const DriverInfo kInfo = describe();
  return kInfo;
}

}  // namespace rhea::block::what_if
