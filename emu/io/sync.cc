#include "emu/io/sync.h"

#include "emu/base/bug.h"

namespace rhea {

namespace detail {

void Waiter::park(std::coroutine_handle<> waiter) {
  handle = waiter;
  home = Loop::current();
  if (home == nullptr) bug("a coroutine waits outside of any loop");
  run = [](Mail* mail) { static_cast<Waiter*>(mail)->handle.resume(); };
}

void Waiter::wake() { home->post(static_cast<Loop::Mail&>(*this)); }

void WaitList::append(Waiter& waiter) {
  waiter.nextWaiter = nullptr;
  (last_ == nullptr ? first_ : last_->nextWaiter) = &waiter;
  last_ = &waiter;
}

Waiter* WaitList::takeFirst() {
  Waiter* const taken = first_;
  if (taken == nullptr) return nullptr;
  first_ = taken->nextWaiter;
  if (first_ == nullptr) last_ = nullptr;
  return taken;
}

bool WaitList::remove(Waiter& waiter) {
  Waiter* before = nullptr;
  for (Waiter* at = first_; at != nullptr; before = at, at = at->nextWaiter) {
    if (at != &waiter) continue;
    (before == nullptr ? first_ : before->nextWaiter) = waiter.nextWaiter;
    if (last_ == &waiter) last_ = before;
    return true;
  }
  return false;
}

void WaitList::wakeAll() {
  while (Waiter* waiter = takeFirst()) waiter->wake();
}

}  // namespace detail

// Woken waiters are collected under the guard and posted after it is released: from the moment that a waiter may run,
// it may destroy what it waited for.

struct Semaphore::Wait : detail::Waiter {
  Wait(Semaphore& owner, std::uint64_t wanted) : semaphore(owner), count(wanted) {}

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> waiter) {
    const std::lock_guard lock(semaphore.guard_);
    if (cancelled) return false;
    if (semaphore.take(count)) {
      phase = Phase::kDone;
      return false;
    }
    park(waiter);
    phase = Phase::kParked;
    semaphore.waiters_.append(*this);
    return true;
  }
  void await_resume() const noexcept {}

  // From any thread, before, while or after the coroutine waits.
  void cancel() {
    detail::WaitList granted;
    {
      const std::lock_guard lock(semaphore.guard_);
      if (phase == Phase::kDone) return;
      cancelled = true;
      if (std::exchange(phase, Phase::kDone) == Phase::kNew) return;
      semaphore.waiters_.remove(*this);
      granted.append(*this);
      semaphore.grant(granted);  // smaller wishes behind this one may have become possible
    }
    granted.wakeAll();
  }

  Semaphore& semaphore;
  std::uint64_t count;
};

bool Semaphore::take(std::uint64_t count) {
  if (!waiters_.empty() || permits_ < count) return false;
  permits_ -= count;
  return true;
}

void Semaphore::grant(detail::WaitList& granted) {
  while (!waiters_.empty()) {
    auto* wait = static_cast<Wait*>(waiters_.first());
    if (permits_ < wait->count) return;
    permits_ -= wait->count;
    waiters_.takeFirst();
    wait->phase = Wait::Phase::kDone;
    granted.append(*wait);
  }
}

Task<Result<void>> Semaphore::acquire(std::uint64_t count, CancelToken cancel) {
  RHEA_CO_CHECK(cancel.check());
  if (tryAcquire(count)) co_return success();
  Wait wait(*this, count);
  std::function<void()> withdraw = [&wait] { wait.cancel(); };
  const CancelToken::Registration wish = cancel.onCancel(std::move(withdraw));
  co_await wait;
  if (wait.cancelled) co_return cancel.reason();
  co_return success();
}

bool Semaphore::tryAcquire(std::uint64_t count) {
  const std::lock_guard lock(guard_);
  return take(count);
}

void Semaphore::release(std::uint64_t count) {
  detail::WaitList granted;
  {
    const std::lock_guard lock(guard_);
    permits_ += count;
    grant(granted);
  }
  granted.wakeAll();
}

std::uint64_t Semaphore::available() {
  const std::lock_guard lock(guard_);
  return permits_;
}

Task<Mutex::Lock> Mutex::lock() {
  if (semaphore_.tryAcquire()) co_return Lock(*this);
  Result<void> taken = co_await semaphore_.acquire();
  if (!taken.ok()) bug("a mutex without a token was cancelled");
  co_return Lock(*this);
}

Task<Result<Mutex::Lock>> Mutex::lock(CancelToken cancel) {
  Task<Result<void>> acquire = semaphore_.acquire(1, std::move(cancel));
  RHEA_CO_CHECK(co_await acquire);
  co_return Lock(*this);
}

bool Mutex::isLocked() { return semaphore_.available() == 0; }

struct Event::Wait : detail::Waiter {
  explicit Wait(Event& owner) : event(owner) {}

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> waiter) {
    const std::lock_guard lock(event.guard_);
    if (cancelled) return false;
    if (event.set_) {
      phase = Phase::kDone;
      return false;
    }
    park(waiter);
    phase = Phase::kParked;
    event.waiters_.append(*this);
    return true;
  }
  void await_resume() const noexcept {}

  void cancel() {
    {
      const std::lock_guard lock(event.guard_);
      if (phase == Phase::kDone) return;
      cancelled = true;
      if (std::exchange(phase, Phase::kDone) == Phase::kNew) return;
      event.waiters_.remove(*this);
    }
    wake();
  }

  Event& event;
};

void Event::set() {
  detail::WaitList woken;
  {
    const std::lock_guard lock(guard_);
    set_ = true;
    for (detail::Waiter* wait = waiters_.first(); wait != nullptr; wait = wait->nextWaiter) {
      wait->phase = detail::Waiter::Phase::kDone;
    }
    woken = std::exchange(waiters_, {});
  }
  woken.wakeAll();
}

void Event::reset() {
  const std::lock_guard lock(guard_);
  set_ = false;
}

bool Event::isSet() {
  const std::lock_guard lock(guard_);
  return set_;
}

Task<Result<void>> Event::wait(CancelToken cancel) {
  RHEA_CO_CHECK(cancel.check());
  Wait wait(*this);
  std::function<void()> withdraw = [&wait] { wait.cancel(); };
  const CancelToken::Registration wish = cancel.onCancel(std::move(withdraw));
  co_await wait;
  if (wait.cancelled) co_return cancel.reason();
  co_return success();
}

TaskGroup::~TaskGroup() {
  if (running() != 0) bug("a task group ends before its tasks");
}

Detached TaskGroup::follow(Loop* loop, Task<void> task) {
  if (loop != nullptr) co_await loop->enter();
  {
    // The task and all that its frame owns is gone before the group hears of its end.
    const Task<void> mine = std::move(task);
    co_await mine;
  }
  finished();
}

void TaskGroup::spawn(Task<void> task) {
  begin();
  follow(nullptr, std::move(task));
}

void TaskGroup::spawnOn(Loop& loop, Task<void> task) {
  begin();
  follow(&loop, std::move(task));
}

void TaskGroup::begin() {
  const std::lock_guard lock(guard_);
  running_.fetch_add(1, std::memory_order_relaxed);
}

void TaskGroup::finished() {
  detail::WaitList joined;
  {
    const std::lock_guard lock(guard_);
    if (running_.fetch_sub(1, std::memory_order_release) != 1) return;
    joined = std::exchange(joining_, {});
  }
  joined.wakeAll();
}

struct TaskGroup::Join : detail::Waiter {
  explicit Join(TaskGroup& owner) : group(owner) {}
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> waiter) {
    const std::lock_guard lock(group.guard_);
    if (group.running() == 0) return false;
    park(waiter);
    group.joining_.append(*this);
    return true;
  }
  void await_resume() const noexcept {}
  TaskGroup& group;
};

Task<void> TaskGroup::join() {
  Join join(*this);
  co_await join;
}

}  // namespace rhea
