// What is counted, of whom, and over which time.
#include "block/core/statistics.h"
#include "block/options/drive-options.h"
#include "tests/block/core-support.h"

namespace rhea::block::test {
namespace {

using namespace std::chrono_literals;

TEST(Intervals, TellShortestLongestMeanAndDepthOfTheLastMoments) {
  const TimePoint begin = Clock::now();
  IntervalStatistics last(8s, begin);
  last.add(IoKind::kRead, 1'000'000'000, begin + 100ms);
  last.add(IoKind::kRead, 3'000'000'000, begin + 1500ms);
  const IntervalCounts counts = last.counts(IoKind::kRead, begin + 2s);
  EXPECT_EQ(counts.shortest, 1'000'000'000U);
  EXPECT_EQ(counts.longest, 3'000'000'000U);
  EXPECT_EQ(counts.mean, 2'000'000'000U);
  EXPECT_DOUBLE_EQ(counts.depth, 2.0);  // four seconds of reading in two
  EXPECT_EQ(last.counts(IoKind::kWrite, begin + 2s).longest, 0U);
}

TEST(Intervals, WhatIsOlderIsForgotten) {
  const TimePoint begin = Clock::now();
  IntervalStatistics last(8s, begin);
  last.add(IoKind::kWrite, 500, begin);
  last.add(IoKind::kWrite, 100, begin + 4s);
  EXPECT_EQ(last.counts(IoKind::kWrite, begin + 7s).longest, 500U);
  EXPECT_EQ(last.counts(IoKind::kWrite, begin + 9s).longest, 100U);
  EXPECT_EQ(last.counts(IoKind::kWrite, begin + 60s).longest, 0U);
  last.add(IoKind::kWrite, 7, begin + 64s);  // the slice of the first one is used again
  EXPECT_EQ(last.counts(IoKind::kWrite, begin + 64s).mean, 7U);
}

TEST(Intervals, LengthsThatCannotBeAreRefused) {
  Statistics statistics;
  EXPECT_FALSE(statistics.setIntervals({60, 0}).ok());
  EXPECT_FALSE(statistics.setIntervals({60, 60}).ok());
  ASSERT_TRUE(statistics.setIntervals({60, 3600}).ok());
  EXPECT_EQ(statistics.intervals().size(), 2U);
}

TEST(Intervals, ADriveSaysWhichAreKept) {
  const Result<DriveOptions> options = parseDrive(
      "if=none,id=d0,driver=null-co,stats-intervals.0=60,stats-intervals.1=3600,stats-account-failed=off", 0);
  ASSERT_TRUE(options.ok()) << options.error().describe();
  EXPECT_EQ(options->disk.statsIntervals, (std::vector<std::uint64_t>{60, 3600}));
  EXPECT_FALSE(options->disk.accountFailed);
  EXPECT_TRUE(options->disk.accountInvalid);
}

class Counting : public GraphTest {};

TEST_F(Counting, ADiskKeepsItsIntervalsFromTheFirstRequestOn) {
  DiskOptions options;
  options.statsIntervals = {10};
  const DiskPtr disk = simple(std::make_shared<MemoryImage>(65536), options);
  EXPECT_TRUE(write(disk, 0, "abc").ok());
  ASSERT_EQ(disk->statistics().intervals().size(), 1U);
  EXPECT_GT(disk->statistics().intervals().front()->counts(IoKind::kWrite, Clock::now()).longest, 0U);
  DiskOptions wrong("w");
  wrong.statsIntervals = {0};
  EXPECT_FALSE(run(graph_->addDisk(wrong, "n0", {})).ok());
  wrong.statsIntervals.clear();
  wrong.readOnly = true;
  wrong.shared = Permissions::all();
  EXPECT_TRUE(run(graph_->addDisk(wrong, "n0", {})).ok()) << "the name is free again";
}

TEST_F(Counting, ANodeCountsWhatAllItsUsersDo) {
  const ImagePtr image = std::make_shared<MemoryImage>(65536);
  const NodePtr node = add(memory("n0", image));
  add(above("top", "n0"));
  DiskOptions options;
  options.shared = Permissions::all();
  const DiskPtr one = attach("d0", "top", options);
  options.readOnly = true;
  const DiskPtr two = attach("d1", "n0", options);
  EXPECT_TRUE(write(one, 0, "abcd").ok());
  EXPECT_EQ(read(one, 0, 2), "ab");
  EXPECT_EQ(read(two, 0, 4), "abcd");
  EXPECT_TRUE(run(one->flush()).ok());
  image->fail(MemoryOp::kRead, EIO);
  EXPECT_EQ(read(two, 0, 4).substr(0, 5), "error");
  const IoCounts reads = node->statistics().counts(IoKind::kRead);
  EXPECT_EQ(reads.operations, 2U);
  EXPECT_EQ(reads.bytes, 6U);
  EXPECT_EQ(reads.failed, 1U);
  EXPECT_EQ(node->statistics().counts(IoKind::kWrite).bytes, 4U);
  EXPECT_GE(node->statistics().counts(IoKind::kFlush).operations, 1U);
  EXPECT_TRUE(node->statistics().idle(Clock::now()).has_value());
  EXPECT_EQ(graph_->findNode("top")->statistics().counts(IoKind::kRead).operations, 1U);
}

TEST_F(Counting, ANodesTimesAreRightInTheSum) {
  const ImagePtr image = std::make_shared<MemoryImage>(65536);
  const NodePtr node = add(memory("n0", image));
  const DiskPtr disk = attach("d0", "n0");
  image->hold(MemoryOp::kWrite);
  const std::string text = "slow";
  const auto slow = start(disk->write({0, 4}, IoVector(text.data(), text.size())));
  static_cast<void>(run(loop_->sleep(60ms)));
  image->release(MemoryOp::kWrite);
  until([&] { return slow->has_value(); });
  EXPECT_GT(node->statistics().counts(IoKind::kWrite).nanoseconds, 40'000'000U);
}

}  // namespace
}  // namespace rhea::block::test
