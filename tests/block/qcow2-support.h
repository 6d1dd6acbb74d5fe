// qcow2 images in files, in a graph of real drivers, and beside them the qemu-img of the host where there is one.
#pragma once

#include <gtest/gtest.h>

#include <random>

#include "block/core/graph.h"
#include "block/driver/qcow2/create.h"
#include "block/driver/qcow2/qcow2.h"
#include "block/driver/table.h"
#include "block/options/node-options-of.h"
#include "block/options/open-drive.h"
#include "tests/block/core-support.h"
#include "tests/lib/temp-dir.h"

namespace rhea::block::test {

class DamageObserver final : public RecordingObserver {
 public:
  void imageCorrupted(const ImageCorrupted& report) override {
    const std::lock_guard lock(guard_);
    damages_.push_back(report);
  }
  std::vector<ImageCorrupted> damages() const {
    const std::lock_guard lock(guard_);
    return damages_;
  }

 private:
  mutable std::mutex guard_;
  std::vector<ImageCorrupted> damages_;
};

// A whole program of its own around a graph: what it leaves is what a program leaves that ends.
class ImageGraph {
 public:
  ImageGraph();
  ~ImageGraph();

  BlockGraph& graph() { return *graph_; }
  Loop& loop() { return *loop_; }
  DamageObserver& observer() { return observer_; }
  template <class T>
  auto run(Task<T> task) {
    return rhea::test::runTask(*loop_, std::move(task));
  }
  // `options` as -blockdev has them, without node-name; attached as a disk.
  Result<DiskPtr> open(const std::string& options, bool writeback = true);
  // As above; a failure fails the test.
  DiskPtr opened(const std::string& options, bool writeback = true);
  void close();

  Result<void> write(const DiskPtr& disk, std::uint64_t offset, std::size_t length, char fill);
  Result<std::string> read(const DiskPtr& disk, std::uint64_t offset, std::size_t length);
  Result<void> zero(const DiskPtr& disk, std::uint64_t offset, std::uint64_t length, bool unmap);
  Result<void> discard(const DiskPtr& disk, std::uint64_t offset, std::uint64_t length);
  Result<void> flush(const DiskPtr& disk) { return run(disk->flush()); }
  static Qcow2Driver& qcow2(const DiskPtr& disk) { return dynamic_cast<Qcow2Driver&>(disk->root().driver()); }

 private:
  WorkerPool workers_;
  std::unique_ptr<Loop> loop_ = Loop::create("main", workers_).value();
  DriverRegistry drivers_{allDrivers()};
  Services services_;
  DamageObserver observer_;
  std::unique_ptr<BlockGraph> graph_;
  int names_ = 0;
};

class Qcow2Test : public testing::Test {
 protected:
  using Create = qapi::BlockdevCreateOptionsQcow2;

  std::string file(const std::string& name) const { return dir_.file(name); }
  // Makes an image by our own code.
  Result<void> create(const std::string& path, Create options);
  void created(const std::string& path, Create options);
  static Create sized(std::uint64_t bytes) {
    Create options;
    options.size = bytes;
    return options;
  }
  // "driver=qcow2,file.driver=file,file.filename=PATH" and more.
  static std::string qcow2(const std::string& path, const std::string& more = "");

  // Whether the host has qemu-img; tests that need it are skipped elsewhere.
  static bool hasPeer();
  // Runs a command line; its exit status.
  static int shell(const std::string& command);
  static std::string output(const std::string& command);
  // qemu-img check finds nothing.
  static void expectClean(const std::string& path);

  rhea::test::TempDir dir_;
};

}  // namespace rhea::block::test
