// OnLoop: a loop for tests: runs a task to its end on the calling thread and gives its value.
//
//   test::OnLoop loop;
//   auto done = loop.run(driver->write(at, data, {}));
#pragma once

#include <thread>

#include "emu/io/loop.h"
#include "emu/io/offload.h"
#include "emu/io/task.h"

namespace rhea::test {

class OnLoop {
 public:
  OnLoop() : loop_(std::move(*Loop::create("test", workers_))) {}

  Loop& loop() { return *loop_; }
  WorkerPool& workers() { return workers_; }

  template <class T>
  T run(Task<T> task) {
    std::optional<T> value;
    loop_->spawn(keep(std::move(task), value));
    loop_->run();
    return std::move(*value);
  }
  void run(Task<void> task) {
    loop_->spawn(end(std::move(task)));
    loop_->run();
  }

 private:
  template <class T>
  Task<void> keep(Task<T> task, std::optional<T>& value) {
    value.emplace(co_await task);
    loop_->stop();
  }
  Task<void> end(Task<void> task) {
    co_await task;
    loop_->stop();
  }

  WorkerPool workers_;
  std::unique_ptr<Loop> loop_;
};

// A loop on a thread of its own, as an I/O thread has it.
class LoopThread {
 public:
  explicit LoopThread(const std::string& name) : loop_(std::move(*Loop::create(name, workers_))) {
    thread_ = std::thread([this] { loop_->run(); });
  }
  ~LoopThread() {
    loop_->stop();
    thread_.join();
  }
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;
  Loop& loop() { return *loop_; }

 private:
  WorkerPool workers_;
  std::unique_ptr<Loop> loop_;
  std::thread thread_;
};

}  // namespace rhea::test
