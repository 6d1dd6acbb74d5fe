// Gather: several requests at the same time, and the first error of them. NextTurn: after everything that is ready now.
#pragma once

#include "emu/base/base.h"
#include "emu/io/sync.h"

namespace rhea::block::qcow2 {

class Gather {
 public:
  // Begins at once. What the task refers to lives until all() is over, which must be awaited.
  void start(Task<Result<void>> work) { tasks_.spawn(run(std::move(work), outcome_)); }
  Task<Result<void>> all() {
    co_await tasks_.join();
    co_return outcome_;
  }
  bool failed() const { return !outcome_.ok(); }

 private:
  static Task<void> run(Task<Result<void>> work, Result<void>& outcome) {
    Result<void> done = co_await std::move(work);
    if (!done.ok() && outcome.ok()) outcome = std::move(done);
  }
  Result<void> outcome_ = success();
  TaskGroup tasks_;
};

// `co_await NextTurn()`: goes on in the loop's next round.
class NextTurn : Loop::Mail {
 public:
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    run = [](Mail* mail) { static_cast<NextTurn*>(mail)->waiter_.resume(); };
    Loop::current()->post(static_cast<Mail&>(*this));
  }
  void await_resume() const noexcept {}

 private:
  std::coroutine_handle<> waiter_;
};

}  // namespace rhea::block::qcow2
