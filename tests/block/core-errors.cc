// Error policies, and what query-durability says.
#include "tests/block/core-support.h"

namespace rhea::block::test {
namespace {

ImagePtr image() { return std::make_shared<MemoryImage>(std::uint64_t{8} << 20); }

class Errors : public GraphTest {
 protected:
  DiskPtr with(const ImagePtr& storage, OnError write, OnError read) {
    DiskOptions options;
    options.writeError = write;
    options.readError = read;
    return simple(storage, options);
  }
};

TEST_F(Errors, ReportGivesTheErrorToTheGuestAndTellsTheMonitor) {
  const ImagePtr storage = image();
  const DiskPtr disk = with(storage, OnError::kReport, OnError::kReport);
  storage->fail(MemoryOp::kWrite, EIO);
  EXPECT_EQ(write(disk, 0, "a").error().code(), EIO);
  const std::vector<IoErrorReport> errors = observer_.errors();
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_EQ(errors[0].disk, "d0");
  EXPECT_EQ(errors[0].kind, IoKind::kWrite);
  EXPECT_EQ(errors[0].action, ErrorAction::kReport);
  EXPECT_EQ(disk->statistics().counts(IoKind::kWrite).failed, 1U);
  EXPECT_EQ(stops_, 0);
}

TEST_F(Errors, IgnoreHidesItButNeverALostFlush) {
  const ImagePtr storage = image();
  const DiskPtr disk = with(storage, OnError::kIgnore, OnError::kIgnore);
  storage->fail(MemoryOp::kRead, EIO);
  EXPECT_EQ(read(disk, 0, 1).size(), 1U);
  storage->fail(MemoryOp::kSync, EIO);
  EXPECT_EQ(run(disk->flush()).error().code(), EIO);
  EXPECT_TRUE(observer_.errors().back().needsReopen);
}

TEST_F(Errors, StopHoldsTheRequestUntilTheMachineGoesOn) {
  const ImagePtr storage = image();
  const DiskPtr disk = with(storage, OnError::kStop, OnError::kReport);
  storage->fail(MemoryOp::kWrite, EIO);
  const auto done = start(disk->write({0, 1}, IoVector("a", 1)));
  until([&] { return disk->held() == 1; });
  EXPECT_EQ(stops_, 1);
  EXPECT_EQ(disk->ioStatus(), IoStatus::kFailed);
  EXPECT_FALSE(done->has_value());
  EXPECT_TRUE(run(graph_->drain(graph_->findNode("n0"), {})).ok());  // what is held keeps no drain waiting
  graph_->undrain(graph_->findNode("n0"));
  disk->retryHeld();
  until([&] { return done->has_value(); });
  EXPECT_TRUE((*done)->ok());
  EXPECT_EQ(disk->ioStatus(), IoStatus::kOk);
  EXPECT_EQ(storage->at(0), std::byte{'a'});
}

TEST_F(Errors, EnospcStopsForAFullDiskOnly) {
  const ImagePtr storage = image();
  const DiskPtr disk = with(storage, OnError::kNoSpace, OnError::kReport);
  storage->fail(MemoryOp::kWrite, EIO);
  EXPECT_EQ(write(disk, 0, "a").error().code(), EIO);
  storage->fail(MemoryOp::kWrite, ENOSPC);
  const auto done = start(disk->write({0, 1}, IoVector("a", 1)));
  until([&] { return disk->held() == 1; });
  EXPECT_EQ(disk->ioStatus(), IoStatus::kNoSpace);
  EXPECT_TRUE(observer_.errors().back().noSpace);
  EXPECT_FALSE(graph_->stuck(Duration::zero()).empty());
  disk->retryHeld();
  until([&] { return done->has_value(); });
}

TEST_F(Errors, RemovingADiskEndsWhatItHolds) {
  const ImagePtr storage = image();
  const DiskPtr disk = with(storage, OnError::kStop, OnError::kReport);
  storage->fail(MemoryOp::kWrite, EIO);
  const auto done = start(disk->write({0, 1}, IoVector("a", 1)));
  until([&] { return disk->held() == 1; });
  EXPECT_TRUE(run(graph_->removeDisk(disk, {})).ok());
  until([&] { return done->has_value(); });
  EXPECT_EQ((*done)->error().code(), ENODEV);
}

TEST_F(Errors, OfTheMonitorsOwnRequestsStopNothing) {
  const ImagePtr storage = image();
  const DiskPtr disk = with(storage, OnError::kStop, OnError::kStop);
  storage->fail(MemoryOp::kWrite, EIO);
  EXPECT_EQ(run(disk->write({0, 1}, IoVector("a", 1), {}, Origin::kMonitor)).error().code(), EIO);
  EXPECT_EQ(stops_, 0);
}

class Durability : public GraphTest {
 protected:
  DiskDurability of(const DiskPtr& disk) { return run(graph_->durability(disk, std::chrono::seconds(1))); }
};

TEST_F(Durability, SaysWhatAPowerCutWouldTake) {
  const ImagePtr storage = image();
  add(memory("n0", storage));
  add(above("top", "n0"));
  const DiskPtr disk = attach("disk0", "top");
  EXPECT_EQ(of(disk).verdict, "A power cut now loses nothing that was completed to disk0");
  const std::string data(512 * 1024, 'x');
  for (std::uint64_t i = 0; i < 3; ++i) EXPECT_TRUE(write(disk, i * data.size(), data).ok());
  DiskDurability facts = of(disk);
  EXPECT_EQ(facts.unflushed.changes, 3U);
  EXPECT_EQ(facts.verdict.find("A power cut now may lose the last 1.5 MiB (3 writes, the oldest "), 0U)
      << facts.verdict;
  ASSERT_EQ(facts.nodes.size(), 2U);
  EXPECT_EQ(facts.nodes[0].nodeName, "top");
  EXPECT_FALSE(facts.nodes[0].unflushed.any());
  EXPECT_TRUE(facts.nodes[1].unflushed.any());
  EXPECT_FALSE(facts.lastFlush.has_value());
  EXPECT_TRUE(run(disk->flush()).ok());
  facts = of(disk);
  EXPECT_FALSE(facts.unflushed.any());
  ASSERT_TRUE(facts.lastFlush.has_value());
  EXPECT_TRUE(facts.lastFlush->ok);
  EXPECT_EQ(facts.guest, GuestView::kNoGuest);
}

TEST_F(Durability, NamesALatchedNode) {
  const ImagePtr storage = image();
  const DiskPtr disk = simple(storage);
  EXPECT_TRUE(write(disk, 0, "a").ok());
  storage->fail(MemoryOp::kSync, EIO);
  EXPECT_FALSE(run(disk->flush()).ok());
  const DiskDurability facts = of(disk);
  EXPECT_NE(facts.verdict.find("may be lost already"), std::string::npos);
  EXPECT_NE(facts.verdict.find("'n0'"), std::string::npos);
  EXPECT_NE(facts.verdict.find("reopened"), std::string::npos);
}

TEST_F(Durability, AGuestsWriteThroughOnNoFlushIsCalledVoid) {
  NodeOptions node = memory("n0", image());
  node.noFlush = true;
  add(node);
  const DiskPtr disk = attach("d0", "n0");
  EXPECT_TRUE(run(graph_->guestSetWriteback(disk, false)).ok());
  EXPECT_TRUE(write(disk, 0, "a").ok());
  const DiskDurability facts = of(disk);
  EXPECT_FALSE(facts.effectiveWriteback);
  EXPECT_NE(facts.verdict.find("void"), std::string::npos);
  EXPECT_TRUE(facts.unflushed.any());
}

TEST(DurabilityText, SpeaksInUnitsOfPeople) {
  EXPECT_EQ(humanBytes(1), "1 byte");
  EXPECT_EQ(humanBytes(1023), "1023 bytes");
  EXPECT_EQ(humanBytes(3'250'000), "3.1 MiB");
  EXPECT_EQ(humanBytes((std::uint64_t{1} << 20) - 1), "1.0 MiB");
  EXPECT_EQ(humanDuration(std::chrono::milliseconds(800)), "0.8 s");
  EXPECT_EQ(humanDuration(std::chrono::microseconds(50)), "50 us");
  EXPECT_EQ(humanDuration(std::chrono::hours(3)), "3.0 h");
}

}  // namespace
}  // namespace rhea::block::test
