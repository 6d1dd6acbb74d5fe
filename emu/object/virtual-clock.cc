#include "emu/object/virtual-clock.h"

#include <pthread.h>

namespace rhea::object {

namespace {

std::int64_t monotonic() { return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1); }

}  // namespace

VirtualClock::VirtualClock() : thread_([this] { run(); }) { ::pthread_setname_np(thread_.native_handle(), "clock"); }

VirtualClock::~VirtualClock() {
  {
    const std::scoped_lock lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

VirtualTime VirtualClock::now() const {
  const VirtualTime stopped = stoppedAt_.load(std::memory_order_acquire);
  return stopped != kNoTime ? stopped : monotonic() - offset_.load(std::memory_order_relaxed);
}

void VirtualClock::start() {
  const std::scoped_lock lock(mutex_);
  const VirtualTime stopped = stoppedAt_.load(std::memory_order_relaxed);
  if (stopped == kNoTime) return;
  offset_.store(monotonic() - stopped, std::memory_order_relaxed);
  stoppedAt_.store(kNoTime, std::memory_order_release);
  changed_.notify_all();
}

void VirtualClock::stop() {
  const std::scoped_lock lock(mutex_);
  if (!running()) return;
  stoppedAt_.store(monotonic() - offset_.load(std::memory_order_relaxed), std::memory_order_release);
  changed_.notify_all();
}

void VirtualClock::set(VirtualTime now) {
  const std::scoped_lock lock(mutex_);
  stoppedAt_.store(now, std::memory_order_release);
}

void VirtualClock::run() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    if (armed_.empty() || !running()) {
      sleepsUntil_ = kNoTime;
      changed_.wait(lock);
      continue;
    }
    const auto first = armed_.begin();
    const VirtualTime wait = first->first - now();
    if (wait > 0) {
      sleepsUntil_ = first->first;
      changed_.wait_for(lock, std::chrono::nanoseconds(wait));
      continue;
    }
    firing_ = first->second;
    firing_->at_.store(kNoTime, std::memory_order_relaxed);
    armed_.erase(first);
    lock.unlock();
    firing_->callback_();
    lock.lock();
    firing_ = nullptr;
    fired_.notify_all();
  }
}

VirtualClock::Timer::Timer(VirtualClock& clock, std::function<void()> callback)
    : clock_(clock), callback_(std::move(callback)) {}

VirtualClock::Timer::~Timer() {
  cancel();
  std::unique_lock lock(clock_.mutex_);
  if (std::this_thread::get_id() == clock_.thread_.get_id()) return;  // from its own callback
  clock_.fired_.wait(lock, [this] { return clock_.firing_ != this; });
}

void VirtualClock::Timer::arm(VirtualTime at) {
  const std::scoped_lock lock(clock_.mutex_);
  const VirtualTime before = at_.load(std::memory_order_relaxed);
  if (before == at) return;
  if (before != kNoTime) {
    auto [first, last] = clock_.armed_.equal_range(before);
    while (first != last && first->second != this) ++first;
    if (first != last) clock_.armed_.erase(first);
  }
  at_.store(at, std::memory_order_relaxed);
  if (at == kNoTime) return;
  clock_.armed_.emplace(at, this);
  // Only an earlier moment than the one slept for needs a wake.
  if (at < clock_.sleepsUntil_) clock_.changed_.notify_all();
}

}  // namespace rhea::object
