// IoThread: an object of type iothread; a thread of the host that runs a loop of its own, for disks' requests.
#pragma once

#include <sys/types.h>

#include <thread>

#include "emu/io/loop.h"
#include "emu/io/offload.h"
#include "emu/io/sync.h"
#include "emu/object/object.h"

namespace rhea::object {

class IoThread final : public Object {
 public:
  // Adds the class to a program's table.
  static void addClass(ClassTable& classes);

  explicit IoThread(const Class& type) : Object(type) {}
  ~IoThread() override;

  Task<Result<void>> complete() override;
  Task<void> retire() override;

  // From any thread, as long as a Use of this object is held.
  Loop& loop() { return *loop_; }
  std::int64_t threadId() const { return threadId_; }

  std::int64_t pollMaxNs() const { return 0; }
  std::int64_t pollGrow() const { return 0; }
  std::int64_t pollShrink() const { return 0; }
  std::int64_t aioMaxBatch() const { return 0; }
  Result<void> setPollMaxNs(std::int64_t nanoseconds);
  Result<void> setPollGrow(std::int64_t factor);
  Result<void> setPollShrink(std::int64_t divisor);
  Result<void> setAioMaxBatch(std::int64_t requests);

 private:
  WorkerPool workers_;  // its own, so that storage that hangs behind this thread takes no workers of the others
  std::unique_ptr<Loop> loop_;
  std::thread thread_;
  std::int64_t threadId_ = 0;
};

}  // namespace rhea::object
