// Loops for tests: one on the test's thread, and threads that each run one.
#pragma once

#include <gtest/gtest.h>

#include <thread>

#include "emu/base/base.h"
#include "emu/io/loop.h"
#include "emu/io/offload.h"

namespace rhea::test {

// A loop that runs on a thread of its own until the end of the test.
class LoopThread {
 public:
  explicit LoopThread(WorkerPool& workers, std::string name = "test") {
    std::atomic<Loop*> made{nullptr};
    thread_ = std::thread([&workers, &made, name] {
      const std::unique_ptr<Loop> loop = Loop::create(name, workers).value();
      made.store(loop.get());
      made.notify_one();
      loop->run();
    });
    made.wait(nullptr);
    loop_ = made.load();
  }
  ~LoopThread() {
    loop_->stop();
    thread_.join();
  }
  Loop& loop() { return *loop_; }

 private:
  std::thread thread_;
  Loop* loop_ = nullptr;
};

class LoopTest : public testing::Test {
 protected:
  WorkerPool workers_;
  std::unique_ptr<Loop> loop_ = Loop::create("main", workers_).value();
};

}  // namespace rhea::test
