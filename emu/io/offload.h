// offload: runs a blocking function on the worker threads and resumes the caller on its own loop.
//
//   auto open = [path] { return Fd::open(path, O_RDWR); };
//   RHEA_CO_TRY(Fd fd, co_await offload(open));       // name the lambda first: GCC 12 miscompiles it written in place
//
// The pool grows while all of its threads hang (a dead NFS server must not take the others' opens with it) up to a
// bound, and shrinks when idle.
#pragma once

#include "emu/base/base.h"
#include "emu/io/fd.h"
#include "emu/io/loop.h"
#include "emu/io/task.h"

namespace rhea {

class WorkerPool {
 public:
  // The name shows in ps. No threads at all: work runs at once where it is submitted, for a program with nothing else
  // to do while it waits.
  explicit WorkerPool(unsigned maxThreads = 64, std::string name = "rhea-worker");
  ~WorkerPool();  // waits two seconds for running work, then leaves hung threads behind
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;
  // Any thread. Work must not outlive what it touches: hung work may run on after the pool's end.
  void submit(std::function<void()> work);
  // As above without allocating: the mail runs once, on a worker, and is its sender's again from then on.
  void submit(Loop::Mail& work);
  unsigned threads() const;  // now
  bool hasThreads() const;   // may have any, ever

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

namespace detail {
// Runs `work` on a worker, then resumes the waiter on the loop it came from.
class OffloadAwaiter : private Loop::Mail {
 public:
  explicit OffloadAwaiter(std::function<void()> work);
  ~OffloadAwaiter();
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter);
  void await_resume() const noexcept {}

 private:
  static void work(Mail* mail);
  std::function<void()> work_;
  std::coroutine_handle<> waiter_;
  std::shared_ptr<Mailbox> home_;
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

// Closes a descriptor on a worker: the close of a file of a dead server hangs. Awaited, it is closed when this returns.
Task<void> closeOffLoop(Fd fd);

}  // namespace rhea
