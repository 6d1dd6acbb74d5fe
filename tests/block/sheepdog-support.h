// A graph with disks on a Sheepdog double.
#pragma once

#include <gtest/gtest.h>

#include "block/driver/sheepdog/sheepdog.h"
#include "block/driver/table.h"
#include "block/options/drive-options.h"
#include "block/options/open-drive.h"
#include "qapi/types-block-options.h"
#include "tests/block/core-support.h"
#include "tests/lib/sheepdog-double.h"

namespace rhea::block::test {

using rhea::test::SheepCluster;
using rhea::test::SheepdogDouble;
using rhea::test::SheepEra;
using rhea::test::SheepRule;
using rhea::test::SheepSeen;
using rhea::test::SheepSetting;
using sheepdog::Op;

constexpr std::uint64_t kObject = std::uint64_t{4} << 20U;

// One double unless a test makes more; a graph on the test's thread. At the end the double has to be content.
class SheepdogTest : public testing::Test {
 protected:
  SheepdogTest();
  ~SheepdogTest() override;

  // Before anything else of a test: a cluster and a double that is its gateway; beginWith() puts the disk "vm" on it.
  void begin(SheepSetting setting = SheepSetting(), bool cache = false, bool reorder = false);
  void begin(SheepSetting setting, SheepdogDouble::Options options);
  void beginWith(std::uint64_t bytes, SheepSetting setting = SheepSetting(), bool cache = false, bool reorder = false);
  SheepdogDouble& sheep() { return *sheep_; }
  SheepCluster& cluster() { return *cluster_; }
  void makeVdi(const std::string& name, std::uint64_t bytes);

  template <class T>
  auto run(Task<T> task) {
    return runTask(*loop_, std::move(task));
  }
  // Runs the loop until it holds.
  void until(const std::function<bool()>& condition) {
    const std::unique_ptr<Loop::Watch> tick = loop_->timer(
        std::chrono::milliseconds(1), [] {}, true);
    loop_->waitUntil(condition);
  }
  template <class T>
  std::shared_ptr<std::optional<T>> start(Task<T> task) {
    auto place = std::make_shared<std::optional<T>>();
    loop_->spawn(detail::store<T>(std::move(task), place));
    return place;
  }

  // "if=none,id=d0,format=raw,file=URI" and more. open() throws where the disk does not open, which ends the test.
  Result<DiskPtr> tryOpen(const std::string& more, const std::string& name = "vm", const std::string& id = "d0");
  DiskPtr open(const std::string& more = "", const std::string& name = "vm");
  // The disk "vm" as node n0, which locks it once somebody writes.
  void addNode();
  void close(DiskPtr disk);
  // The double as blockdev options have it; what blockdev-create is asked for.
  qapi::SocketAddress address();
  qapi::BlockdevCreateOptionsSheepdog creation(const std::string& name, std::uint64_t bytes);
  Result<void> create(qapi::BlockdevCreateOptionsSheepdog options);
  // One request by a client that says nothing else and goes: the result.
  std::uint32_t sayAsAnother(sheepdog::Request request, std::span<const std::byte> payload);
  // The driver below the disk.
  SheepdogDriver& driver(const DiskPtr& disk);

  Result<void> write(const DiskPtr& disk, std::uint64_t at, std::size_t bytes, int fill);
  // Whether that part reads as `fill`.
  testing::AssertionResult reads(const DiskPtr& disk, std::uint64_t at, std::size_t bytes, int fill);
  // Whether the nodes' disks have it: what a power cut would leave.
  testing::AssertionResult stored(const std::string& name, std::uint64_t at, std::size_t bytes, int fill);

  // Whether an error says that, and of which server and VDI.
  testing::AssertionResult tells(const std::string& error, const std::string& what);
  // Whether the client has done nothing wrong so far; at the end of a double it is asked by itself.
  void checkDouble();

  WorkerPool workers_;
  std::unique_ptr<Loop> loop_ = Loop::create("main", workers_).value();
  DriverRegistry drivers_;
  Services services_;
  RecordingObserver observer_;
  std::shared_ptr<SheepCluster> cluster_;
  std::unique_ptr<SheepdogDouble> sheep_;
  std::unique_ptr<BlockGraph> graph_;
};

// The requests as "OP" words, for comparing conversations; those for names and headers can be left out.
std::vector<std::string> wordsOf(const std::vector<SheepSeen>& log);

}  // namespace rhea::block::test
