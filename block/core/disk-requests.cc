// A disk's requests, from the attachment down to its root node and back.
#include <cerrno>

#include "block/core/disk.h"
#include "block/core/node.h"

namespace rhea::block {

IoKind Disk::Request::kind() const {
  static constexpr std::array<IoKind, 5> kKinds = {IoKind::kRead, IoKind::kWrite, IoKind::kWrite, IoKind::kDiscard,
                                                   IoKind::kFlush};
  return kKinds[static_cast<std::size_t>(action)];
}

Task<Result<void>> Disk::read(Extent at, IoVector to, Origin origin) {
  return submit(Request(Action::kRead, at, to, {}, origin));
}

Task<Result<void>> Disk::write(Extent at, IoVector from, WriteFlags how, Origin origin) {
  return submit(Request(Action::kWrite, at, from, how, origin));
}

Task<Result<void>> Disk::writeZeroes(Extent at, WriteFlags how, Origin origin) {
  return submit(Request(Action::kZeroes, at, {}, how, origin));
}

Task<Result<void>> Disk::discard(Extent at, Origin origin) {
  return submit(Request(Action::kDiscard, at, {}, {}, origin));
}

Task<Result<void>> Disk::flush(Origin origin) { return submit(Request(Action::kFlush, {}, {}, {}, origin)); }

Result<void> Disk::checkExtent(const Request& request) const {
  if (request.action == Action::kFlush) return success();
  const bool hasData = request.action == Action::kRead || request.action == Action::kWrite;
  if (hasData && request.data.length() != request.at.length) return Error::fromErrno(EINVAL);
  if (!request.at.representable() || request.at.end() > length()) return Error::fromErrno(EIO);
  if (request.action != Action::kRead && isReadOnly()) return Error::fromErrno(EROFS);
  return success();
}

Task<Result<void>> Disk::submit(Request request) {
  const TimePoint start = Clock::now();
  const IoKind kind = request.kind();
  while (true) {
    EpochGate::Pass pass = gate_.tryEnter();
    if (!pass) {
      Result<EpochGate::Pass> entered = co_await gate_.enter();
      if (!entered.ok()) co_return entered.takeError();
      pass = *std::move(entered);
    }
    if (!root_.isAttached()) co_return Error::fromErrno(ENOMEDIUM);
    if (Result<void> possible = checkExtent(request); !possible.ok()) {
      statistics_.invalid(kind);
      co_return possible;
    }
    if (ThrottleMember* throttle = throttle_.load(std::memory_order_acquire); throttle != nullptr) {
      if (request.action != Action::kFlush) co_await throttle->pass(kind != IoKind::kRead, request.at.length);
    }
    Result<void> outcome = co_await send(request, writeThrough_[pass.epoch()].load(std::memory_order_relaxed));
    const TimePoint end = Clock::now();
    const auto took = static_cast<std::uint64_t>(std::chrono::nanoseconds(end - start).count());
    if (outcome.ok()) {
      statistics_.done(kind, request.at, took, end);
      co_return outcome;
    }
    statistics_.failed(kind, took, end);
    if (request.origin != Origin::kGuest) co_return outcome;
    const std::shared_ptr<Event> retry = nextRetry();  // before the machine is told to stop: `cont` may follow at once
    switch (decide(request, outcome.error())) {
      case ErrorAction::kIgnore:
        co_return success();
      case ErrorAction::kReport:
        co_return outcome;
      case ErrorAction::kStop:
        break;
    }
    pass.leave();  // a drain does not wait for who is held
    const unsigned abandoned = abandoned_.load(std::memory_order_acquire);
    held_.fetch_add(1, std::memory_order_relaxed);
    (void)co_await retry->wait();
    held_.fetch_sub(1, std::memory_order_relaxed);
    if (abandoned_.load(std::memory_order_acquire) != abandoned) co_return Error::fromErrno(ECANCELED);
  }
}

// Not a coroutine of its own: the node's task is handed through.
Task<Result<void>> Disk::send(const Request& request, bool writeThrough) {
  const WriteFlags how = writeThrough ? request.how | WriteFlags::stable() : request.how;
  switch (request.action) {
    case Action::kRead:
      return root_.read(request.at, request.data);
    case Action::kWrite:
      return root_.write(request.at, request.data, how);
    case Action::kZeroes:
      return root_.writeZeroes(request.at, how);
    case Action::kDiscard:
      return root_.discard(request.at, how);
    case Action::kFlush:
      break;
  }
  return root_.flush(FlushTo::kStable);
}

ErrorAction Disk::decide(const Request& request, const Error& error) {
  const IoKind kind = request.kind();
  const bool noSpace = error.code() == ENOSPC || error.code() == EDQUOT;
  const OnError policy = kind == IoKind::kRead ? readError() : writeError();
  const bool latched = accountingNode().ledger().isLatched();
  ErrorAction action = ErrorAction::kReport;
  if (policy == OnError::kIgnore) action = ErrorAction::kIgnore;
  if (policy == OnError::kStop || (policy == OnError::kNoSpace && noSpace)) action = ErrorAction::kStop;
  RunStateHook* const runState = runState_.load(std::memory_order_relaxed);
  if (action == ErrorAction::kStop && (runState == nullptr || removed_)) action = ErrorAction::kReport;
  // A flush that lost data must not be taken for a success, whatever the policy.
  if (action == ErrorAction::kIgnore && (latched || kind == IoKind::kFlush)) action = ErrorAction::kReport;

  IoErrorReport report;
  report.disk = options_.id;
  report.qomPath = qomPath_;
  report.nodeName = root_.node().name();
  report.kind = kind;
  report.action = action;
  report.noSpace = noSpace;
  report.needsReopen = latched;
  report.reason = error.message();
  observer_.ioError(report);
  if (action == ErrorAction::kStop) {
    ioStatus_.store(noSpace ? IoStatus::kNoSpace : IoStatus::kFailed, std::memory_order_relaxed);
    runState->stopForIoError();
  }
  return action;
}

std::shared_ptr<Event> Disk::nextRetry() {
  const std::lock_guard lock(heldGuard_);
  return retry_;
}

}  // namespace rhea::block
