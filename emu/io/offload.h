// offload: runs a blocking function on the worker threads and resumes the caller on its own loop.
//
//   auto open = [path] { return Fd::open(path, O_RDWR); };
//   RHEA_CO_TRY(Fd fd, co_await offload(open));       // name the lambda first: GCC 12 miscompiles it written in place
//
// The pool grows while all of its threads hang (a dead NFS server must not take the others' opens with it) up to a
// bound, and shrinks when idle.
#pragma once

#include "emu/base/base.h"
#include "emu/io/loop.h"
#include "emu/io/task.h"

namespace rhea {

class WorkerPool {
 public:
  explicit WorkerPool(unsigned maxThreads = 64);
  ~WorkerPool();  // waits for running work up to a bound, then leaves hung threads behind
  void submit(std::function<void()> work);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

namespace detail {
// Runs `work` on a worker, then resumes the waiter on the loop it came from.
class OffloadAwaiter {
 public:
  explicit OffloadAwaiter(std::function<void()> work) : work_(std::move(work)) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter);
  void await_resume() const noexcept {}

 private:
  std::function<void()> work_;
};
}  // namespace detail

template <class Function>
Task<std::invoke_result_t<Function&>> offload(Function function) {
  using Value = std::invoke_result_t<Function&>;
  if constexpr (std::is_void_v<Value>) {
    std::function<void()> work = [&function] { function(); };
    co_await detail::OffloadAwaiter(std::move(work));
  } else {
    std::optional<Value> value;
    std::function<void()> work = [&function, &value] { value.emplace(function()); };
    co_await detail::OffloadAwaiter(std::move(work));
    co_return std::move(*value);
  }
}

}  // namespace rhea
