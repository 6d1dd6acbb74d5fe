// Throttling: the arithmetic on a clock of its own, and groups on real loops without asserting on time.
#include "tests/block/core-support.h"

namespace rhea::block::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

ThrottleLimits limit(BucketKind kind, std::uint64_t average, std::uint64_t burst = 0, std::uint64_t length = 1) {
  ThrottleLimits limits;
  limits.of(kind).average = average;
  limits.of(kind).burst = burst;
  limits.of(kind).burstLength = length;
  return limits;
}

// Sends as much as passes in `time`, which goes by as fast as the test can count.
std::uint64_t passedIn(const ThrottleLimits& limits, Duration time, bool write, std::uint64_t bytes) {
  ThrottleBuckets buckets;
  const TimePoint start = TimePoint(seconds(1000));
  TimePoint now = start;
  buckets.configure(limits, now);
  std::uint64_t passed = 0;
  while (true) {
    now += buckets.wait(write, now);
    if (now >= start + time) return passed;
    buckets.pass(write, bytes);
    ++passed;
  }
}

TEST(ThrottleBuckets, HoldTheAverageRate) {
  // Ten seconds at 1000 a second, and the tenth of a second that always passes.
  EXPECT_NEAR(static_cast<double>(passedIn(limit(BucketKind::kOpsTotal, 1000), seconds(10), true, 4096)), 10'100, 2);
  EXPECT_NEAR(static_cast<double>(passedIn(limit(BucketKind::kBytesRead, 1 << 20), seconds(10), false, 4096)),
              2560 + 26, 2);
}

TEST(ThrottleBuckets, LimitOnlyTheirDirection) {
  ThrottleBuckets buckets;
  buckets.configure(limit(BucketKind::kOpsWrite, 10), TimePoint(seconds(1)));
  for (int i = 0; i < 100; ++i) buckets.pass(true, 512);
  EXPECT_GT(buckets.wait(true, TimePoint(seconds(1))), Duration::zero());
  EXPECT_EQ(buckets.wait(false, TimePoint(seconds(1))), Duration::zero());
}

TEST(ThrottleBuckets, AllowABurstAndThenTheAverage) {
  const ThrottleLimits limits = limit(BucketKind::kOpsTotal, 100, 2000, 5);
  EXPECT_NEAR(static_cast<double>(passedIn(limits, seconds(2), true, 512)), 4000, 250);  // at the burst rate
  // 5 s of bursts fill the bucket; afterwards only what leaks passes.
  EXPECT_NEAR(static_cast<double>(passedIn(limits, seconds(60), true, 512)), 10'000 + 60 * 100, 250);
}

TEST(ThrottleBuckets, CountLongRequestsAsSeveral) {
  ThrottleLimits limits = limit(BucketKind::kOpsTotal, 1000);
  limits.opSize = 4096;
  EXPECT_NEAR(static_cast<double>(passedIn(limits, seconds(10), true, 16384)), 10'100.0 / 4, 2);
}

TEST(ThrottleLimits, RefuseWhatMakesNoSense) {
  EXPECT_TRUE(limit(BucketKind::kOpsTotal, 100, 200).check().ok());
  EXPECT_FALSE(limit(BucketKind::kOpsTotal, 0, 200).check().ok());
  EXPECT_FALSE(limit(BucketKind::kOpsTotal, 300, 200).check().ok());
  EXPECT_FALSE(limit(BucketKind::kOpsTotal, 100, 200, 0).check().ok());
  EXPECT_FALSE(limit(BucketKind::kOpsTotal, 100, 0, 5).check().ok());
  EXPECT_FALSE(limit(BucketKind::kOpsTotal, 2'000'000'000'000'000).check().ok());
  ThrottleLimits both = limit(BucketKind::kBytesTotal, 100);
  both.of(BucketKind::kBytesRead).average = 100;
  EXPECT_NE(both.check().error().message().find("bps"), std::string::npos);
  ThrottleLimits size = limit(BucketKind::kBytesTotal, 100);
  size.opSize = 512;
  EXPECT_FALSE(size.check().ok());
}

class Throttle : public GraphTest {
 protected:
  DiskPtr disk(const std::string& number) {
    add(memory("n" + number, std::make_shared<MemoryImage>(std::uint64_t{64} * 1024)));
    return attach("d" + number, "n" + number);
  }
  Result<void> set(const DiskPtr& disk, const std::string& group, const ThrottleLimits& limits) {
    return disk->setThrottle(graph_->throttleGroups(), group, limits);
  }
};

TEST_F(Throttle, RequestsWaitForTheirTurnAndAllComeThrough) {
  const DiskPtr one = disk("0");
  ASSERT_TRUE(set(one, "", limit(BucketKind::kOpsTotal, 200)).ok());
  EXPECT_EQ(one->throttleGroup()->name(), "d0");
  const TimePoint begin = Clock::now();
  for (int i = 0; i < 40; ++i) EXPECT_TRUE(write(one, 0, "a").ok());
  // 20 pass at once, 20 more need a tenth of a second at least; how much more depends on the host.
  EXPECT_GE(Clock::now() - begin, milliseconds(90));
}

TEST_F(Throttle, LiveChangesReachThoseWhoWait) {
  const DiskPtr one = disk("0");
  ASSERT_TRUE(set(one, "", limit(BucketKind::kOpsTotal, 1)).ok());
  std::vector<std::shared_ptr<std::optional<Result<void>>>> writes;
  for (int i = 0; i < 50; ++i) writes.push_back(start(one->write({0, 1}, IoVector("a", 1))));
  until([&] { return one->gate().inside() > 40; });
  ASSERT_TRUE(set(one, "", limit(BucketKind::kOpsTotal, 1'000'000)).ok());  // else this would take a minute
  for (const auto& done : writes) until([&] { return done->has_value(); });
  ASSERT_TRUE(set(one, "", ThrottleLimits()).ok());
  EXPECT_EQ(one->throttleGroup(), nullptr);
}

TEST_F(Throttle, MembersOfAGroupShareItsRateAndTakeTurns) {
  const DiskPtr one = disk("0");
  const DiskPtr two = disk("1");
  ASSERT_TRUE(set(one, "g", limit(BucketKind::kOpsTotal, 100)).ok());
  ASSERT_TRUE(set(two, "g", limit(BucketKind::kOpsTotal, 100)).ok());
  EXPECT_EQ(one->throttleGroup(), two->throttleGroup());
  EXPECT_EQ(graph_->throttleGroups().find("g")->members(), 2U);
  std::vector<std::shared_ptr<std::optional<Result<void>>>> deep;
  for (int i = 0; i < 60; ++i) deep.push_back(start(one->write({0, 1}, IoVector("a", 1))));
  until([&] { return one->gate().inside() > 30; });
  EXPECT_TRUE(write(two, 0, "b").ok());
  const auto waiting = std::count_if(deep.begin(), deep.end(), [](const auto& done) { return !done->has_value(); });
  EXPECT_GT(waiting, 10);  // the shallow queue did not wait for the deep one to empty
  for (const auto& disk : {one, two}) ASSERT_TRUE(set(disk, "g", ThrottleLimits()).ok());
  for (const auto& done : deep) until([&] { return done->has_value(); });
}

TEST_F(Throttle, ADrainLetsEverythingThrough) {
  const DiskPtr one = disk("0");
  ASSERT_TRUE(set(one, "", limit(BucketKind::kOpsTotal, 1)).ok());
  std::vector<std::shared_ptr<std::optional<Result<void>>>> writes;
  for (int i = 0; i < 20; ++i) writes.push_back(start(one->write({0, 1}, IoVector("a", 1))));
  until([&] { return one->gate().inside() > 10; });
  const NodePtr node = graph_->findNode("n0");
  ASSERT_TRUE(run(graph_->drain(node, {})).ok());
  for (const auto& done : writes) EXPECT_TRUE(done->has_value());
  graph_->undrain(node);
}

}  // namespace
}  // namespace rhea::block::test
