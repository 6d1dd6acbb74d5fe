// For tests of single drivers without a graph: opens one by its DriverInfo and does simple I/O on it.
#pragma once

#include <gtest/gtest.h>

#include "block/core/driver-info.h"
#include "block/core/throttle.h"
#include "tests/lib/temp-dir.h"
#include "tests/support/loops.h"
#include "tests/support/run-task.h"

namespace rhea::block::test {

using rhea::test::LoopThread;
using rhea::test::TempDir;

// A loop on the test's thread that runs tasks to their end.
class OnLoop {
 public:
  Loop& loop() { return *loop_; }
  WorkerPool& workers() { return workers_; }
  template <class T>
  auto run(Task<T> task) {
    return rhea::test::runTask(*loop_, std::move(task));
  }

 private:
  WorkerPool workers_;
  std::unique_ptr<Loop> loop_ = Loop::create("test", workers_).value();
};

class DriverHarness {
 public:
  DriverHarness() : groups_(loop_.loop()) {}
  ~DriverHarness() {
    if (driver_ != nullptr) loop_.run(driver_->close());
  }

  template <class Options>
  Result<void> open(const DriverInfo& info, Options options, OpenFlags flags = {}) {
    OpenContext context(loop_.loop(), services_, groups_);
    context.nodeName = "test";
    context.flags = flags;
    auto opened = loop_.run(info.open(std::move(context), DriverOptions::of(std::move(options)), Children()));
    if (!opened.ok()) return opened.takeError();
    driver_ = std::move(*opened);
    return success();
  }
  void close() {
    loop_.run(driver_->close());
    driver_.reset();
  }

  bool isOpen() const { return driver_ != nullptr; }
  OnLoop& loop() { return loop_; }
  Services& services() { return services_; }
  Driver& driver() { return *driver_; }
  template <class Ability>
  Ability& ability() {
    return dynamic_cast<Ability&>(*driver_);
  }

  // Page-aligned, as a guest's memory is.
  struct Buffer {
    explicit Buffer(std::size_t bytes, int fill = 0)
        : memory(static_cast<std::byte*>(std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096)), &std::free),
          size(bytes) {
      std::memset(memory.get(), fill, bytes);
    }
    IoVector view() { return IoVector(memory.get(), size); }
    bool isAll(int value) const {
      return std::all_of(memory.get(), memory.get() + size, [value](std::byte b) { return b == std::byte(value); });
    }
    std::byte at(std::size_t index) const { return memory.get()[index]; }
    std::unique_ptr<std::byte, void (*)(void*)> memory;
    std::size_t size;
  };

  Result<void> write(std::uint64_t offset, std::size_t bytes, int fill, WriteFlags how = {}) {
    Buffer buffer(bytes, fill);
    return loop_.run(driver_->write(Extent(offset, bytes), buffer.view(), how));
  }
  Result<Buffer> read(std::uint64_t offset, std::size_t bytes) {
    Buffer buffer(bytes, 0xEE);
    RHEA_CHECK(loop_.run(driver_->read(Extent(offset, bytes), buffer.view())));
    return buffer;
  }
  Result<void> flush() { return loop_.run(driver_->flush(FlushTo::kStable)); }

 private:
  OnLoop loop_;
  Services services_;
  ThrottleGroups groups_;
  std::unique_ptr<Driver> driver_;
};

}  // namespace rhea::block::test
