// Flushes: what they cover, when they cost a system call, and that a failed one is never forgotten.
#include "tests/block/core-support.h"

namespace rhea::block::test {
namespace {

ImagePtr image() { return std::make_shared<MemoryImage>(std::uint64_t{64} * 1024); }

class Flushes : public GraphTest {
 protected:
  Result<void> flush(const DiskPtr& disk) { return run(disk->flush()); }
};

TEST_F(Flushes, TheFirstAfterOpenIsRealAndIdleOnesCostNothing) {
  const ImagePtr storage = image();
  const DiskPtr disk = simple(storage);
  EXPECT_TRUE(flush(disk).ok());
  EXPECT_EQ(storage->count(MemoryOp::kSync), 1U);
  EXPECT_TRUE(flush(disk).ok());
  EXPECT_EQ(storage->count(MemoryOp::kSync), 1U);
  EXPECT_TRUE(write(disk, 0, "a").ok());
  EXPECT_TRUE(flush(disk).ok());
  EXPECT_TRUE(flush(disk).ok());
  EXPECT_EQ(storage->count(MemoryOp::kSync), 2U);
}

TEST_F(Flushes, CoverZeroesDiscardsAndResizes) {
  const ImagePtr storage = image();
  NodeOptions options = memory("n0", storage);
  options.discard = DiscardPolicy::kUnmap;
  const NodePtr node = add(options);
  const DiskPtr disk = attach("d0", "n0");
  EXPECT_TRUE(flush(disk).ok());
  std::uint64_t expected = 1;
  const auto flushesNow = [&] {
    EXPECT_EQ(node->ledger().unflushed().changes, 1U);
    EXPECT_TRUE(flush(disk).ok());
    EXPECT_EQ(storage->count(MemoryOp::kSync), ++expected);
    EXPECT_FALSE(node->ledger().unflushed().any());
  };
  EXPECT_TRUE(run(disk->writeZeroes({0, 512})).ok());
  flushesNow();
  EXPECT_TRUE(run(disk->discard({0, 512})).ok());
  flushesNow();
  EXPECT_TRUE(run(graph_->resizeNode("n0", 128 * 1024, {})).ok());
  EXPECT_EQ(disk->length(), 128U * 1024);
  flushesNow();
}

TEST_F(Flushes, ThoseThatComeWhileOneRunsShareTheNext) {
  const ImagePtr storage = image();
  const DiskPtr disk = simple(storage);
  EXPECT_TRUE(write(disk, 0, "a").ok());
  storage->hold(MemoryOp::kSync);
  const auto first = start(disk->flush());
  until([&] { return storage->waiting(MemoryOp::kSync) == 1; });
  EXPECT_TRUE(write(disk, 1, "b").ok());
  // None of these may take the running one for theirs: its system call began before the write of "b" ended.
  const auto second = start(disk->flush());
  const auto third = start(disk->flush());
  const auto fourth = start(disk->flush());
  until([&] { return disk->gate().inside() == 4; });
  storage->release(MemoryOp::kSync);
  until([&] { return first->has_value() && second->has_value() && third->has_value() && fourth->has_value(); });
  EXPECT_EQ(storage->count(MemoryOp::kSync), 2U);
  EXPECT_EQ(storage->stableAt(1), std::byte{'b'});
}

TEST_F(Flushes, OneThatWaitedInVainCostsNothing) {
  const ImagePtr storage = image();
  const DiskPtr disk = simple(storage);
  storage->hold(MemoryOp::kSync);
  const auto first = start(disk->flush());
  until([&] { return storage->waiting(MemoryOp::kSync) == 1; });
  const auto second = start(disk->flush());
  storage->release(MemoryOp::kSync);
  until([&] { return first->has_value() && second->has_value(); });
  EXPECT_TRUE((*second)->ok());
  EXPECT_EQ(storage->count(MemoryOp::kSync), 1U);
}

TEST_F(Flushes, WhatCompletesWhileOneRunsStaysUnflushed) {
  const ImagePtr storage = image();
  const DiskPtr disk = simple(storage);
  FlushLedger& ledger = disk->root().ledger();
  EXPECT_TRUE(write(disk, 0, "abc").ok());
  storage->hold(MemoryOp::kSync);
  const auto running = start(disk->flush());
  until([&] { return storage->waiting(MemoryOp::kSync) == 1; });
  EXPECT_EQ(ledger.unflushed().bytes, 3U);  // not stable before the flush has ended
  EXPECT_TRUE(write(disk, 10, "de").ok());
  EXPECT_EQ(ledger.unflushed().changes, 2U);
  storage->release(MemoryOp::kSync);
  until([&] { return running->has_value(); });
  EXPECT_EQ(ledger.unflushed().changes, 1U);
  EXPECT_EQ(ledger.unflushed().bytes, 2U);
}

TEST_F(Flushes, AFailureLatchesUntilTheNodeIsReopened) {
  for (const int code : {EIO, ENOSPC, EDQUOT}) {
    const ImagePtr storage = image();
    const std::string name = fmt::format("n{}", code);
    add(memory(name, storage));
    DiskOptions options;
    options.writeError = OnError::kReport;
    const DiskPtr disk = attach(fmt::format("d{}", code), name, options);
    EXPECT_TRUE(write(disk, 0, "a").ok());
    storage->fail(MemoryOp::kSync, code);
    EXPECT_EQ(flush(disk).error().code(), code);
    // The device would say yes now; the pages are gone all the same.
    const Result<void> again = flush(disk);
    EXPECT_EQ(again.error().code(), code);
    EXPECT_NE(again.error().hintText().find("reopen"), std::string_view::npos);
    EXPECT_EQ(storage->count(MemoryOp::kSync), 1U);
    EXPECT_TRUE(disk->root().ledger().unflushed().any());
    EXPECT_TRUE(write(disk, 1, "b").ok());  // write-back promises nothing
    EXPECT_EQ(observer_.latched().back(), name);

    std::vector<NodeOptions> reopen(1, memory(name, storage));
    EXPECT_TRUE(run(graph_->reopen(std::move(reopen), {})).ok());
    EXPECT_TRUE(flush(disk).ok());
    EXPECT_EQ(storage->count(MemoryOp::kSync), 2U);
  }
  EXPECT_EQ(observer_.latched().size(), 3U);
}

TEST_F(Flushes, AnErrorThatLosesNothingDoesNotLatch) {
  const ImagePtr storage = image();
  const DiskPtr disk = simple(storage);
  storage->fail(MemoryOp::kSync, ENOTCONN);
  EXPECT_EQ(flush(disk).error().code(), ENOTCONN);
  EXPECT_TRUE(flush(disk).ok());
}

TEST_F(Flushes, AFailedStableWriteOnABufferedFileLatchesToo) {
  const ImagePtr storage = image();
  DiskOptions options;
  options.writeback = false;
  options.writeError = OnError::kReport;
  const DiskPtr disk = simple(storage, options);
  storage->fail(MemoryOp::kStableWrite, EIO);
  EXPECT_EQ(write(disk, 0, "a").error().code(), EIO);
  EXPECT_EQ(write(disk, 0, "a").error().code(), EIO);
  EXPECT_EQ(storage->count(MemoryOp::kStableWrite), 1U);
  EXPECT_EQ(flush(disk).error().code(), EIO);
}

TEST_F(Flushes, AFailedStableWriteUnderDirectDoesNotLatch) {
  const ImagePtr storage = image();
  NodeOptions node = memory("n0", storage);
  node.direct = true;
  add(node);
  DiskOptions options;
  options.writeback = false;
  const DiskPtr disk = attach("d0", "n0", options);
  storage->fail(MemoryOp::kStableWrite, EIO);
  EXPECT_EQ(write(disk, 0, "a").error().code(), EIO);
  EXPECT_TRUE(write(disk, 0, "a").ok());
  EXPECT_TRUE(flush(disk).ok());
}

TEST_F(Flushes, WriteThroughIsOneRequestWhereItCanBe) {
  const ImagePtr storage = image();
  DiskOptions options;
  options.writeback = false;
  const DiskPtr disk = simple(storage, options);
  EXPECT_TRUE(write(disk, 5, "abc").ok());
  EXPECT_EQ(storage->count(MemoryOp::kStableWrite), 1U);
  EXPECT_EQ(storage->count(MemoryOp::kSync), 0U);
  EXPECT_EQ(storage->stableAt(5), std::byte{'a'});
  EXPECT_FALSE(disk->root().ledger().unflushed().any());
}

TEST_F(Flushes, WriteThroughIsWriteAndFlushWhereItCannot) {
  const ImagePtr storage = image();
  storage->stableWrites = false;
  DiskOptions options;
  options.writeback = false;
  const DiskPtr disk = simple(storage, options);
  EXPECT_TRUE(write(disk, 5, "abc").ok());
  EXPECT_TRUE(write(disk, 8, "def").ok());
  EXPECT_EQ(storage->count(MemoryOp::kWrite), 2U);
  EXPECT_EQ(storage->count(MemoryOp::kSync), 2U);
  EXPECT_EQ(storage->stableAt(10), std::byte{'f'});
}

// Two with a request of their own are in flight; those that come share flushes.
class GroupedFlushes : public Flushes {
 protected:
  GroupedFlushes() {
    add(memory("n0", storage_, "memory-grouping"));
    DiskOptions options;
    options.writeback = false;
    options.writeError = OnError::kReport;
    disk_ = attach("d0", "n0", options);
    storage_->hold(MemoryOp::kStableWrite);
    begin();
    begin();
    until([&] { return storage_->waiting(MemoryOp::kStableWrite) == 2; });
  }
  // A write of one byte behind the last one.
  void begin() { writes_.push_back(start(disk_->write({writes_.size(), 1}, IoVector(text_.data(), 1)))); }
  bool done(std::size_t which) const { return writes_[which]->has_value(); }
  bool allDone(std::size_t from) const {
    return std::all_of(writes_.begin() + static_cast<std::ptrdiff_t>(from), writes_.end(),
                       [](const auto& each) { return each->has_value(); });
  }
  bool isWritten(std::size_t which) const { return storage_->at(which) == std::byte{'x'}; }
  bool isStable(std::size_t which) const { return storage_->stableAt(which) == std::byte{'x'}; }
  void letTheFirstTwoGo() {
    storage_->release(MemoryOp::kStableWrite);
    until([&] { return allDone(0); });
  }

  const std::string text_ = "x";
  const ImagePtr storage_ = image();
  DiskPtr disk_;
  std::vector<std::shared_ptr<std::optional<Result<void>>>> writes_;
};

TEST_F(GroupedFlushes, ManyStableWritesShareThem) {
  storage_->hold(MemoryOp::kSync);
  while (writes_.size() < 32) begin();
  until([&] { return storage_->waiting(MemoryOp::kSync) == 1 && isWritten(31); });
  EXPECT_TRUE(std::ranges::none_of(writes_, [](const auto& each) { return each->has_value(); }));
  EXPECT_FALSE(disk_->root().ledger().unflushed().any()) << "nothing has completed, so nothing can be lost";
  storage_->release(MemoryOp::kSync);
  until([&] { return allDone(2); });
  EXPECT_EQ(storage_->count(MemoryOp::kSync), 2U) << "the one that ran, and one for all that came meanwhile";
  for (std::size_t i = 2; i < writes_.size(); ++i) {
    EXPECT_TRUE((*writes_[i])->ok());
    EXPECT_TRUE(isStable(i)) << i;
  }
  letTheFirstTwoGo();
  EXPECT_EQ(storage_->count(MemoryOp::kStableWrite), 2U);
  EXPECT_TRUE(isStable(0));
}

TEST_F(GroupedFlushes, AWriteDoesNotCompleteWithOneThatBeganBeforeItWasDone) {
  storage_->hold(MemoryOp::kSync);
  begin();
  until([&] { return storage_->waiting(MemoryOp::kSync) == 1; });
  begin();
  until([&] { return isWritten(3); });
  storage_->releaseOnce(MemoryOp::kSync);
  until([&] { return done(2) && storage_->waiting(MemoryOp::kSync) == 1; });
  EXPECT_FALSE(done(3)) << "its flush has not ended";
  storage_->release(MemoryOp::kSync);
  until([&] { return done(3); });
  EXPECT_TRUE(isStable(3));
  letTheFirstTwoGo();
}

TEST_F(GroupedFlushes, AFailureFailsEveryWriteOfTheGroup) {
  storage_->hold(MemoryOp::kSync);
  begin();
  until([&] { return storage_->waiting(MemoryOp::kSync) == 1; });
  begin();
  begin();
  storage_->failAlways(MemoryOp::kSync, EIO);
  storage_->release(MemoryOp::kSync);
  until([&] { return done(3) && done(4); });
  EXPECT_EQ((*writes_[3])->error().code(), EIO);
  EXPECT_EQ((*writes_[4])->error().code(), EIO);
  letTheFirstTwoGo();
  EXPECT_EQ(write(disk_, 100, "late").error().code(), EIO) << "latched";
}

TEST_F(GroupedFlushes, OneAtATimeHasARequestOfItsOwnAgain) {
  letTheFirstTwoGo();
  EXPECT_TRUE(write(disk_, 100, "x").ok());
  EXPECT_EQ(storage_->count(MemoryOp::kStableWrite), 3U);
  EXPECT_EQ(storage_->count(MemoryOp::kSync), 0U);
}

TEST_F(Flushes, ZeroesAndDiscardsInWriteThroughAreFlushed) {
  const ImagePtr storage = image();
  NodeOptions node = memory("n0", storage);
  node.discard = DiscardPolicy::kUnmap;
  add(node);
  add(above("p0", "n0"));
  DiskOptions options;
  options.writeback = false;
  const DiskPtr disk = attach("d0", "p0", options);
  EXPECT_TRUE(run(disk->writeZeroes({0, 512})).ok());
  EXPECT_EQ(storage->count(MemoryOp::kSync), 1U);
}

TEST_F(Flushes, NoFlushSyncsNothingAndCountsOn) {
  const ImagePtr storage = image();
  NodeOptions node = memory("n0", storage);
  node.noFlush = true;
  add(node);
  const DiskPtr disk = attach("d0", "n0");
  EXPECT_TRUE(write(disk, 0, "abc").ok());
  EXPECT_TRUE(flush(disk).ok());
  EXPECT_EQ(storage->count(MemoryOp::kSync), 0U);
  EXPECT_EQ(disk->root().ledger().unflushed().bytes, 3U);
}

TEST_F(Flushes, OfTheMonitorSayWhatTheyDid) {
  const ImagePtr one = image();
  const ImagePtr two = image();
  const DiskPtr disk = simple(one);
  add(memory("n1", two));
  const DiskPtr second = attach("d1", "n1");
  EXPECT_TRUE(write(disk, 0, "a").ok());
  two->fail(MemoryOp::kSync, EIO);
  const auto outcomes = run(graph_->flush(std::nullopt, {}));
  ASSERT_TRUE(outcomes.ok());
  ASSERT_EQ(outcomes->size(), 2U);
  EXPECT_EQ((*outcomes)[0].disk, "d0");
  EXPECT_TRUE((*outcomes)[0].result.ok());
  EXPECT_EQ((*outcomes)[1].result.error().code(), EIO);
  EXPECT_FALSE(run(graph_->flush("nothing", {})).ok());
}

TEST_F(Flushes, OfTheMonitorEndWithTheirDeadline) {
  const ImagePtr storage = image();
  const DiskPtr disk = simple(storage);
  storage->hold(MemoryOp::kSync);
  ChangeContext context("test", soon());
  const auto outcomes = run(graph_->flush("d0", context));
  ASSERT_TRUE(outcomes.ok());
  EXPECT_FALSE(outcomes->front().result.ok());
  storage->release(MemoryOp::kSync);
}

}  // namespace
}  // namespace rhea::block::test
