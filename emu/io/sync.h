// Waiting for each other: Mutex, Semaphore, Event and TaskGroup for coroutines.
//
// All of them may be used from several loops at once; a waiter always resumes on the loop where it began to wait.
// Fair: first come, first served. Nothing here blocks a thread.
#pragma once

#include "emu/base/base.h"
#include "emu/io/cancel.h"
#include "emu/io/loop.h"
#include "emu/io/task.h"

namespace rhea {

namespace detail {

// One parked coroutine: where it waits and on which loop it goes on. `phase` and `cancelled` are under the guard of
// what it waits for until it is done.
struct Waiter : Loop::Mail {
  enum class Phase : std::uint8_t { kNew, kParked, kDone };
  std::coroutine_handle<> handle;
  Loop* home = nullptr;
  Waiter* nextWaiter = nullptr;
  Phase phase = Phase::kNew;
  bool cancelled = false;
  void park(std::coroutine_handle<> waiter);
  void wake();  // posts to home: the coroutine goes on in one of that loop's next rounds
};

class WaitList {
 public:
  void append(Waiter& waiter);
  Waiter* takeFirst();
  bool remove(Waiter& waiter);
  void wakeAll();  // empties the list
  Waiter* first() const { return first_; }
  bool empty() const { return first_ == nullptr; }

 private:
  Waiter* first_ = nullptr;
  Waiter* last_ = nullptr;
};

}  // namespace detail

class Semaphore {
 public:
  explicit Semaphore(std::uint64_t permits) : permits_(permits) {}
  // Errors: the token's reason; then nothing was taken.
  Task<Result<void>> acquire(std::uint64_t count = 1, CancelToken cancel = {});
  bool tryAcquire(std::uint64_t count = 1);
  void release(std::uint64_t count = 1);
  std::uint64_t available();  // permits nobody holds, for tests and queries

 private:
  struct Wait;
  bool take(std::uint64_t count);
  void grant(detail::WaitList& granted);
  std::mutex guard_;  // held for a few instructions, never across a suspension
  std::uint64_t permits_;
  detail::WaitList waiters_;
};

class Mutex {
 public:
  class Lock {
   public:
    Lock() = default;
    explicit Lock(Mutex& mutex) : mutex_(&mutex) {}
    Lock(Lock&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
    Lock& operator=(Lock&& other) noexcept {
      std::swap(mutex_, other.mutex_);
      return *this;
    }
    ~Lock() { unlock(); }
    void unlock() {
      if (mutex_ != nullptr) std::exchange(mutex_, nullptr)->semaphore_.release();
    }

   private:
    Mutex* mutex_ = nullptr;
  };

  Task<Lock> lock();
  Task<Result<Lock>> lock(CancelToken cancel);
  bool isLocked();

 private:
  Semaphore semaphore_{1};
};

// Set once (or reset), waited for by many.
class Event {
 public:
  void set();
  void reset();
  bool isSet();
  Task<Result<void>> wait(CancelToken cancel = {});

 private:
  struct Wait;
  std::mutex guard_;
  bool set_ = false;
  detail::WaitList waiters_;
};

// Counts running tasks; join() waits until none runs, and must be awaited before destruction.
class TaskGroup {
 public:
  TaskGroup() = default;
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;
  ~TaskGroup();
  void spawn(Task<void> task);  // on the current loop
  void spawnOn(Loop& loop, Task<void> task);
  Task<void> join();
  std::size_t running() const { return running_.load(std::memory_order_acquire); }

 private:
  struct Join;
  Detached follow(Loop* loop, Task<void> task);
  void begin();
  void finished();
  std::mutex guard_;
  std::atomic<std::size_t> running_{0};  // changed under the guard
  detail::WaitList joining_;
};

}  // namespace rhea
