#include "block/core/epoch-gate.h"

#include <cerrno>

#include "emu/base/bug.h"

namespace rhea::block {

EpochGate::Pass EpochGate::tryEnter() {
  std::uint64_t word = word_.load(std::memory_order_relaxed);
  while ((word & (kShutMask | kRetired)) == 0) {
    const auto epoch = static_cast<unsigned>(word & kEpoch);
    if (word_.compare_exchange_weak(word, word + (std::uint64_t{1} << shiftOf(epoch)), std::memory_order_acquire,
                                    std::memory_order_relaxed)) {
      return {*this, epoch};
    }
  }
  return {};
}

Task<Result<EpochGate::Pass>> EpochGate::enter() {
  while (true) {
    Pass pass = tryEnter();
    if (pass) co_return std::move(pass);
    if ((word_.load(std::memory_order_acquire) & kRetired) != 0) co_return Error::fromErrno(ENODEV);
    (void)co_await opened_.wait();
  }
}

void EpochGate::leave(unsigned epoch) {
  const std::uint64_t one = std::uint64_t{1} << shiftOf(epoch);
  std::uint64_t word = word_.load(std::memory_order_relaxed);
  while ((word & kWatched) == 0) {
    if (word_.compare_exchange_weak(word, word - one, std::memory_order_release, std::memory_order_relaxed)) return;
  }
  // Somebody waits for this: he looks at the count under the same lock, so that none leaves unseen.
  std::vector<std::shared_ptr<Event>> woken;
  {
    const std::lock_guard lock(guard_);
    const std::uint64_t left = word_.fetch_sub(one, std::memory_order_acq_rel) - one;
    if (((left >> shiftOf(epoch)) & kCountMask) == 0) woken = watchers_;
  }
  for (const auto& event : woken) event->set();
}

std::uint64_t EpochGate::inside(unsigned epoch) const {
  return (word_.load(std::memory_order_acquire) >> shiftOf(epoch)) & kCountMask;
}

std::uint64_t EpochGate::inside() const {
  const std::uint64_t word = word_.load(std::memory_order_acquire);
  return ((word >> shiftOf(0)) & kCountMask) + ((word >> shiftOf(1)) & kCountMask);
}

unsigned EpochGate::epoch() const { return static_cast<unsigned>(word_.load(std::memory_order_acquire) & kEpoch); }

void EpochGate::shut() {
  const std::lock_guard lock(guard_);
  opened_.reset();
  word_.fetch_add(kOneShut, std::memory_order_acq_rel);
}

void EpochGate::open() {
  const std::lock_guard lock(guard_);
  const std::uint64_t before = word_.fetch_sub(kOneShut, std::memory_order_acq_rel);
  if ((before & kShutMask) == 0) bug("a gate is opened that is not shut");
  if ((before & kShutMask) == kOneShut) opened_.set();
}

bool EpochGate::isShut() const { return (word_.load(std::memory_order_acquire) & kShutMask) != 0; }

void EpochGate::retire() {
  const std::lock_guard lock(guard_);
  word_.fetch_or(kRetired, std::memory_order_acq_rel);
  opened_.set();
}

unsigned EpochGate::turn() {
  const std::uint64_t before = word_.fetch_xor(kEpoch, std::memory_order_acq_rel);
  const auto left = static_cast<unsigned>(before & kEpoch);
  if (((before >> shiftOf(left ^ 1U)) & kCountMask) != 0) bug("an epoch is turned to while requests are inside it");
  return left;
}

Task<Result<void>> EpochGate::waitUntilClear(std::uint64_t counts, CancelToken cancel) {
  const auto event = std::make_shared<Event>();
  Result<void> outcome = success();
  bool watching = false;
  while (true) {
    {
      const std::lock_guard lock(guard_);
      if (!watching) {
        watching = true;
        watchers_.push_back(event);
        word_.fetch_or(kWatched, std::memory_order_acq_rel);
      }
      event->reset();
      const bool clear = (word_.load(std::memory_order_acquire) & counts) == 0;
      if (clear || !outcome.ok()) {
        std::erase(watchers_, event);
        if (watchers_.empty()) word_.fetch_and(~kWatched, std::memory_order_acq_rel);
        if (clear) co_return success();
        co_return outcome;
      }
    }
    outcome = co_await event->wait(cancel);
  }
}

Task<Result<void>> EpochGate::waitUntilLeft(unsigned epoch, CancelToken cancel) {
  return waitUntilClear(kCountMask << shiftOf(epoch), std::move(cancel));
}

Task<Result<void>> EpochGate::waitUntilEmpty(CancelToken cancel) {
  return waitUntilClear(kCountMask << shiftOf(0) | kCountMask << shiftOf(1), std::move(cancel));
}

}  // namespace rhea::block
