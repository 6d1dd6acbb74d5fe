// IoThread: an object of type iothread; a thread of the host that runs a loop of its own, for disks' requests.
#pragma once

#include <sys/types.h>

#include <thread>

#include "emu/io/loop-tuning.h"
#include "emu/io/offload.h"
#include "emu/io/sync.h"
#include "emu/object/object.h"

namespace rhea::object {

class IoThread final : public Object {
 public:
  // Adds the class to a program's table.
  static void addClass(ClassTable& classes);

  explicit IoThread(const Class& type);
  ~IoThread() override;

  Task<Result<void>> complete() override;
  Task<void> retire() override;

  // From any thread, as long as a Use of this object is held.
  Loop& loop() { return *loop_; }
  std::int64_t threadId() const { return threadId_; }

  // The loop's (emu/io/loop-tuning.h); they may be set before and while it runs. Errors: below 0, or not to be had.
  std::int64_t pollMaxNs() const { return wanted_.pollMostNs; }
  std::int64_t pollGrow() const { return wanted_.pollGrow; }
  std::int64_t pollShrink() const { return wanted_.pollShrink; }
  std::int64_t aioMaxBatch() const { return wanted_.maxBatch; }
  Result<void> setPollMaxNs(std::int64_t nanoseconds);
  Result<void> setPollGrow(std::int64_t factor);
  Result<void> setPollShrink(std::int64_t divisor);
  Result<void> setAioMaxBatch(std::int64_t requests);

 private:
  Result<void> set(std::atomic<std::int64_t> LoopTuning::*which, std::int64_t value, std::int64_t most);
  LoopTuning wanted_;
  WorkerPool workers_;  // its own, so that storage that hangs behind this thread takes no workers of the others
  std::unique_ptr<Loop> loop_;
  std::thread thread_;
  std::int64_t threadId_ = 0;
};

}  // namespace rhea::object
