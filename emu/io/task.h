// Task<T>: a coroutine that is started by being awaited (or spawned on a Loop) and gives one value.
//
// Rules of the house:
//  * A Task starts on the thread that awaits it and completes wherever it last resumed; code that hops to another loop
//    hops back before it returns, so that callers may assume that they stay where they were.
//  * Dropping an unstarted Task is allowed and does nothing; dropping a started one is a bug: the kernel or a peer may
//    still write to its buffers. Cancelling is a wish, expressed by a CancelToken; the frame lives until it completes.
//  * Parameters of coroutines are values, or references to what outlives the graph.
//  * An exception that leaves a Task is a bug and ends the process.
//
// Why `bool await_suspend` and not symmetric transfer: below -O2 and under ASan GCC does not make it a tail call, and a
// loop over tasks that complete at once would overflow the stack.
#pragma once

#include <atomic>
#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "emu/io/frame-pool.h"

namespace rhea {

template <class T>
class Task;

namespace detail {

// Hand-over between a task that completes and the one that waits for it: whoever comes second acts. The two may be on
// different threads when the task hopped, hence the atomic.
enum class TaskState : unsigned char { kRunning, kAwaited, kDone };

class TaskPromiseBase {
 public:
  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> finished) const noexcept {
      TaskPromiseBase& promise = finished.promise();
      // After the exchange the frame belongs to the waiter, which may destroy it: nothing of it may be touched but the
      // continuation, which is read before.
      const std::coroutine_handle<> continuation = promise.continuation_;
      // kAwaited stays, so that a load is enough to see it.
      if (promise.state_.load(std::memory_order_acquire) == TaskState::kAwaited ||
          promise.state_.exchange(TaskState::kDone, std::memory_order_acq_rel) == TaskState::kAwaited) {
        continuation.resume();
      }
    }
    void await_resume() const noexcept {}
  };

  static void* operator new(std::size_t bytes) { return FramePool::take(bytes); }
  static void operator delete(void* frame, std::size_t bytes) noexcept { FramePool::give(frame, bytes); }

  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }

  // True when the waiter must stay suspended.
  bool awaitBy() noexcept {
    return state_.load(std::memory_order_acquire) != TaskState::kDone &&
           state_.exchange(TaskState::kAwaited, std::memory_order_acq_rel) != TaskState::kDone;
  }
  void setContinuation(std::coroutine_handle<> waiter) noexcept { continuation_ = waiter; }

 private:
  std::coroutine_handle<> continuation_;
  std::atomic<TaskState> state_{TaskState::kRunning};
};

template <class T>
class TaskPromise final : public TaskPromiseBase {
 public:
  Task<T> get_return_object() noexcept;
  template <class U>
  requires std::is_convertible_v<U&&, T>
  void return_value(U&& value) { value_.emplace(std::forward<U>(value)); }
  T take() { return std::move(*value_); }

 private:
  std::optional<T> value_;
};

template <>
class TaskPromise<void> final : public TaskPromiseBase {
 public:
  Task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() const noexcept {}
};

}  // namespace detail

template <class T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::TaskPromise<T>;
  using Value = T;

  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  class Awaiter {
   public:
    explicit Awaiter(std::coroutine_handle<promise_type> task) noexcept : task_(task) {}
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> waiter) const {
      task_.promise().setContinuation(waiter);
      task_.resume();
      return task_.promise().awaitBy();
    }
    T await_resume() const { return task_.promise().take(); }

   private:
    std::coroutine_handle<promise_type> task_;
  };

  // Starts the task and waits for its value; once only.
  Awaiter operator co_await() const& noexcept { return Awaiter(handle_); }
  Awaiter operator co_await() && noexcept { return Awaiter(handle_); }

 private:
  friend promise_type;
  explicit Task(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}

  std::coroutine_handle<promise_type> handle_;
};

namespace detail {

template <class T>
Task<T> TaskPromise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}

inline Task<void> TaskPromise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}

}  // namespace detail

// A coroutine nobody waits for: runs at once, frees its frame at the end. For the bottom of a chain only (a loop's
// spawn, a session's main coroutine); what it does must be accounted for elsewhere (TaskGroup, in-flight counts).
class Detached {
 public:
  struct promise_type {
    Detached get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
  };
};

}  // namespace rhea
