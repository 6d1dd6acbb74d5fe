#include "block/core/flush-ledger.h"

#include <cerrno>

#include "block/core/request-tracker.h"

namespace rhea::block {

// A flush that waits for the running one; whoever comes meanwhile joins it.
struct FlushLedger::Pending {
  Event done;
  Result<void> result;
};

void FlushLedger::changed(Extent at) {
  const TimePoint now = coarseNow();
  const std::lock_guard lock(guard_);
  ++generation_;
  open_.add(at.length, now);
  if (keepsPlaces_) keepPlace(at);
}

void FlushLedger::keepPlace(Extent at) {
  if (at.empty()) return;
  std::vector<Extent>& extents = openPlaces_.extents;
  if (!extents.empty() && extents.back().end() == at.offset) {
    extents.back().length += at.length;
  } else if (extents.size() < kMostPlaces) {
    extents.push_back(at);
  } else {
    openPlaces_.complete = false;
  }
}

void FlushLedger::keepPlaces(bool keep) {
  const std::lock_guard lock(guard_);
  keepsPlaces_ = keep;
  openPlaces_ = {};
  issuedPlaces_ = {};
  // What was changed before is somewhere, too.
  openPlaces_.complete = !keep || !(open_.any() || issued_.any());
}

FlushLedger::Places FlushLedger::places() const {
  Places all;
  {
    const std::lock_guard lock(guard_);
    all = issuedPlaces_;
    all.extents.resize(issuedPlaces_.extents.size() + openPlaces_.extents.size());
    std::ranges::copy(openPlaces_.extents, all.extents.end() - static_cast<std::ptrdiff_t>(openPlaces_.extents.size()));
    all.complete = issuedPlaces_.complete && openPlaces_.complete;
  }
  std::ranges::sort(all.extents, {}, &Extent::offset);
  std::vector<Extent> joined;
  for (const Extent& each : all.extents) {
    if (!joined.empty() && each.offset <= joined.back().end()) {
      joined.back().length = std::max(joined.back().end(), each.end()) - joined.back().offset;
    } else {
      joined.push_back(each);
    }
  }
  all.extents = std::move(joined);
  return all;
}

void FlushLedger::touched() {
  const std::lock_guard lock(guard_);
  ++generation_;
}

bool FlushLedger::everChanged() const {
  const std::lock_guard lock(guard_);
  return generation_ != 1;
}

Task<Result<void>> FlushLedger::flush(std::function<Task<Result<void>>()> sync) {
  std::shared_ptr<Pending> pending;
  std::shared_ptr<Event> running;
  {
    const std::lock_guard lock(guard_);
    if (isLatched()) co_return latchedError();
    if (pending_ != nullptr) {
      pending = pending_;
    } else if (running_) {
      pending_ = std::make_shared<Pending>();
      running = ended_;
    } else if (flushed_ == generation_) {
      co_return success();
    } else {
      running_ = true;
      ended_ = std::make_shared<Event>();
    }
  }
  if (pending != nullptr) {
    (void)co_await pending->done.wait();
    co_return pending->result;
  }
  if (running != nullptr) {
    (void)co_await running->wait();
    bool needed = false;
    {
      const std::lock_guard lock(guard_);
      pending = std::exchange(pending_, nullptr);  // from here on its system call may run: nobody joins any more
      needed = !isLatched() && flushed_ != generation_;
      if (needed) {
        running_ = true;
        ended_ = std::make_shared<Event>();
      } else if (isLatched()) {
        pending->result = latchedError();
      }
    }
    if (needed) pending->result = co_await run(std::move(sync));
    pending->done.set();
    co_return pending->result;
  }
  co_return co_await run(std::move(sync));
}

// The system call itself; running_ is set, and so nobody else is here.
Task<Result<void>> FlushLedger::run(std::function<Task<Result<void>>()> sync) {
  std::uint64_t covers = 0;
  {
    const std::lock_guard lock(guard_);
    covers = generation_;
    issued_ = std::exchange(open_, {});
    issuedPlaces_ = std::exchange(openPlaces_, {});
  }
  const TimePoint start = Clock::now();
  syncs_.fetch_add(1, std::memory_order_relaxed);
  Result<void> result = co_await sync();
  const TimePoint end = Clock::now();
  if (!result.ok()) latch(result.error(), "a flush");
  std::shared_ptr<Event> ended;
  {
    const std::lock_guard lock(guard_);
    if (result.ok()) {
      flushed_ = covers;
    } else {
      open_.add(issued_);
      openPlaces_.complete = openPlaces_.complete && issuedPlaces_.complete;
      for (const Extent& each : issuedPlaces_.extents) keepPlace(each);
    }
    issued_ = {};
    issuedPlaces_ = {};
    last_ = LastFlush{end, end - start, result.ok()};
    running_ = false;
    ended = std::move(ended_);
  }
  ended->set();
  co_return result;
}

bool FlushLedger::latch(const Error& error, std::string_view doing) {
  const int code = error.code();
  if (!latches_ || (code != EIO && code != ENOSPC && code != EDQUOT)) return false;
  {
    const std::lock_guard lock(guard_);
    if (isLatched()) return false;
    latchedWhy_ = fmt::format("{} failed: {}", doing, error.message());
    latched_.store(code, std::memory_order_release);
  }
  return true;
}

Error FlushLedger::latchedError() const {
  return Error::fromErrno(
             latched_.load(std::memory_order_acquire),
             fmt::format("{}; since then writes may be lost and no flush can promise anything", latchedWhy_))
      .hint("reopen the node (blockdev-reopen) and write again what matters");
}

Result<void> FlushLedger::check() const {
  if (!isLatched()) return success();
  const std::lock_guard lock(guard_);
  if (!isLatched()) return success();
  return latchedError();
}

std::string FlushLedger::latchedWhy() const {
  const std::lock_guard lock(guard_);
  return latchedWhy_;
}

void FlushLedger::reopened() {
  const std::lock_guard lock(guard_);
  latched_.store(0, std::memory_order_release);
  latchedWhy_.clear();
  ++generation_;
}

Unflushed FlushLedger::unflushed() const {
  const std::lock_guard lock(guard_);
  Unflushed all = issued_;
  all.add(open_);
  return all;
}

std::optional<LastFlush> FlushLedger::lastFlush() const {
  const std::lock_guard lock(guard_);
  return last_;
}

}  // namespace rhea::block
