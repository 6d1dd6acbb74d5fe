// Runs a task to its end: one that needs no loop, or on a loop made for it.
#pragma once

#include "emu/base/base.h"
#include "emu/io/loop.h"
#include "emu/io/offload.h"
#include "emu/io/task.h"

namespace rhea::test {

template <class T>
Detached keepValue(Task<T> task, std::optional<T>& to, std::function<void()> then) {
  to.emplace(co_await std::move(task));
  then();
}

template <class T>
T runNow(Task<T> task) {
  std::optional<T> value;
  keepValue(std::move(task), value, [] {});
  return std::move(value.value());
}

// The loop outlives the tasks, so that objects made by one can be used by the next.
class TestLoop {
 public:
  TestLoop() : loop_(*Loop::create("test", workers_)) {}
  template <class T>
  T run(Task<T> task) {
    std::optional<T> value;
    loop_->post([this, &task, &value] { keepValue(std::move(task), value, [this] { loop_->stop(); }); });
    loop_->run();
    return std::move(value.value());
  }
  Loop& loop() { return *loop_; }

 private:
  WorkerPool workers_;
  std::unique_ptr<Loop> loop_;
};

}  // namespace rhea::test
