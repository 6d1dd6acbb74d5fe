// Connections that end while requests are on their way: each request is answered once, nothing is made twice.
#include "tests/block/sheepdog-support.h"

namespace rhea::block::test {
namespace {

class SheepdogReconnect : public SheepdogTest {
 protected:
  using Outcome = std::shared_ptr<std::optional<Result<void>>>;

  Outcome startWrite(const DiskPtr& disk, std::uint64_t at, std::size_t bytes, int fill) {
    memory_.emplace_back(bytes, std::byte(fill));
    const IoVector data{std::span<const std::byte>(memory_.back())};
    return start(disk->write(Extent(at, bytes), data));
  }
  void await(const Outcome& outcome) {
    until([&] { return outcome->has_value(); });
  }
  std::deque<std::vector<std::byte>> memory_;
};

TEST_F(SheepdogReconnect, writesThatWereOnTheirWayAreDoneOnce) {
  beginWith(8 * kObject);
  const DiskPtr disk = open();
  ASSERT_TRUE(write(disk, 0, 65536, 1).ok());
  sheep().add(SheepRule(Op::kWrite, SheepRule::Action::kCloseBefore));
  ASSERT_TRUE(write(disk, 0, 4096, 2).ok());
  sheep().add(SheepRule(Op::kWrite, SheepRule::Action::kCloseAfter));
  ASSERT_TRUE(write(disk, 4096, 4096, 3).ok());
  sheep().add(SheepRule(Op::kRead, SheepRule::Action::kCutReply));
  EXPECT_TRUE(reads(disk, 0, 4096, 2));
  EXPECT_TRUE(reads(disk, 4096, 4096, 3));
  EXPECT_TRUE(reads(disk, 8192, 4096, 1));
  EXPECT_EQ(driver(disk).volume().link().counts().lost.load(), 3U);
}

TEST_F(SheepdogReconnect, aCreationThatWasDoneIsNotDoneAgain) {
  beginWith(8 * kObject);
  const DiskPtr disk = open();
  sheep().add(SheepRule(Op::kCreate, SheepRule::Action::kCloseAfter));
  ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
  EXPECT_EQ(sheep().seen(Op::kCreate), 1U);
  EXPECT_TRUE(reads(disk, 0, 4096, 1));
  EXPECT_TRUE(stored("vm", 0, 4096, 1));
}

TEST_F(SheepdogReconnect, aCreationThatWasNotDoneIsDone) {
  beginWith(8 * kObject);
  const DiskPtr disk = open();
  sheep().add(SheepRule(Op::kCreate, SheepRule::Action::kCloseBefore));
  ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
  EXPECT_EQ(sheep().seen(Op::kCreate), 2U);
  EXPECT_TRUE(stored("vm", 0, 4096, 1));
}

// A daemon with an object cache panics over a second creation.
TEST_F(SheepdogReconnect, aCreationIntoACacheIsNotDoneAgain) {
  SheepSetting setting;
  setting.era = SheepEra::k09;
  beginWith(8 * kObject, setting, true);
  const DiskPtr disk = open("cache=writeback");
  sheep().add(SheepRule(Op::kCreate, SheepRule::Action::kCloseAfter));
  ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
  ASSERT_TRUE(run(disk->flush()).ok());
  EXPECT_TRUE(stored("vm", 0, 4096, 1));
  EXPECT_EQ(sheep().seen(Op::kCreate), 1U);
}

TEST_F(SheepdogReconnect, aSlotWhoseWriteWasLostIsWrittenAgain) {
  beginWith(8 * kObject);
  const DiskPtr disk = open();
  SheepRule rule(Op::kWrite, SheepRule::Action::kCloseBefore);
  rule.oidBits = sheepdog::kInodeBit;
  sheep().add(rule);
  ASSERT_TRUE(write(disk, 3 * kObject, 4096, 1).ok());
  EXPECT_TRUE(stored("vm", 3 * kObject, 4096, 1));
}

TEST_F(SheepdogReconnect, requestsWaitWhileTheGatewayIsAway) {
  beginWith(8 * kObject);
  const DiskPtr disk = open();
  ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
  sheep().stop();
  until([&] { return !driver(disk).volume().link().isUp(); });
  const Outcome waiting = startWrite(disk, 0, 4096, 2);
  const Outcome making = startWrite(disk, kObject, 4096, 3);
  until([&] { return driver(disk).volume().link().trouble().find("cannot reach") != std::string::npos; });
  EXPECT_FALSE(waiting->has_value());
  sheep().start();
  await(waiting);
  await(making);
  EXPECT_TRUE((*waiting)->ok());
  EXPECT_TRUE((*making)->ok());
  EXPECT_TRUE(reads(disk, 0, 4096, 2));
  EXPECT_TRUE(reads(disk, kObject, 4096, 3));
}

// What comes behind a greeting's last reply is seen before whoever greets goes on.
TEST_F(SheepdogReconnect, aConnectionThatEndsWithTheGreetingsLastReplyIsMadeAgain) {
  beginWith(8 * kObject);
  const DiskPtr disk = open();
  for (int skip = 0; skip < 4; ++skip) {
    SheepRule tail(Op::kRead, SheepRule::Action::kTail);
    tail.oidBits = sheepdog::kInodeBit;
    tail.skip = skip;
    sheep().add(tail);
    sheep().add(SheepRule(Op::kWrite, SheepRule::Action::kCloseBefore));
    ASSERT_TRUE(write(disk, 0, 4096, skip + 1).ok()) << skip;
    EXPECT_TRUE(reads(disk, 0, 4096, skip + 1)) << skip;
  }
}

TEST_F(SheepdogReconnect, manyRequestsSurviveAGatewayThatKeepsClosing) {
  beginWith(8 * kObject, SheepSetting(), false, true);
  const DiskPtr disk = open();
  for (const auto& [op, action] :
       {std::pair(Op::kCreate, SheepRule::Action::kCloseAfter), std::pair(Op::kWrite, SheepRule::Action::kCloseBefore),
        std::pair(Op::kWrite, SheepRule::Action::kCloseAfter),
        std::pair(Op::kCreate, SheepRule::Action::kCloseBefore)}) {
    SheepRule rule(op, action);
    rule.skip = 5;
    rule.count = 2;
    sheep().add(rule);
  }
  std::vector<Outcome> outcomes;
  for (int i = 0; i < 64; ++i) {
    outcomes.push_back(startWrite(
        disk, static_cast<std::uint64_t>(i % 8) * kObject + static_cast<std::uint64_t>(i / 8) * 8192, 8192, i + 1));
  }
  for (const Outcome& outcome : outcomes) {
    await(outcome);
    EXPECT_TRUE((*outcome)->ok());
  }
  for (int i = 0; i < 64; ++i) {
    const std::uint64_t at = static_cast<std::uint64_t>(i % 8) * kObject + static_cast<std::uint64_t>(i / 8) * 8192;
    EXPECT_TRUE(reads(disk, at, 8192, i + 1)) << i;
    EXPECT_TRUE(stored("vm", at, 8192, i + 1)) << i;
  }
}

TEST_F(SheepdogReconnect, aGatewayThatGoesAwayIsLeft) {
  beginWith(8 * kObject);
  const DiskPtr disk = open();
  ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
  sheep().add(SheepRule(Op::kWrite, SheepRule::Action::kResult, 0x11));
  ASSERT_TRUE(write(disk, 0, 4096, 2).ok());
  EXPECT_TRUE(reads(disk, 0, 4096, 2));
  EXPECT_EQ(driver(disk).volume().link().counts().connections.load(), 2U);
}

TEST_F(SheepdogReconnect, aClusterThatIsNotReadyIsCalledAgain) {
  beginWith(8 * kObject);
  const DiskPtr disk = open();
  SheepRule rule(Op::kLockVdi, SheepRule::Action::kResult, 0x17);
  rule.count = 2;
  sheep().add(rule);
  sheep().closeConnections();
  ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
  EXPECT_TRUE(reads(disk, 0, 4096, 1));
}

TEST_F(SheepdogReconnect, theOwnLockThatSurvivedIsHeld) {
  SheepSetting setting;
  setting.locks = true;
  beginWith(8 * kObject, setting);
  const DiskPtr disk = open();
  sheep().closeConnections();
  ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
  EXPECT_EQ(sheep().seen(Op::kReleaseVdi), 0U);
  close(disk);
  const std::lock_guard lock(cluster().guard);
  EXPECT_TRUE(cluster().locks.empty());
}

TEST_F(SheepdogReconnect, anotherGatewayOfTheListTakesOver) {
  beginWith(8 * kObject);
  SheepdogDouble second(cluster_);
  const DiskPtr disk =
      open(fmt::format("file.fallback-servers.0.type=inet,file.fallback-servers.0.host=127.0.0.1,"
                       "file.fallback-servers.0.port={}",
                       second.port()));
  ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
  sheep().stop();
  ASSERT_TRUE(write(disk, 0, 4096, 2).ok());
  EXPECT_TRUE(reads(disk, 0, 4096, 2));
  EXPECT_GT(second.log().size(), 0U);
  EXPECT_EQ(driver(disk).volume().link().server().port, std::to_string(second.port()));
  close(disk);
}

TEST_F(SheepdogReconnect, whatLayInTheCacheOfAGatewayThatWentFailsTheNextFlush) {
  SheepSetting setting;
  setting.era = SheepEra::k09;
  beginWith(8 * kObject, setting, true);
  SheepdogDouble::Options options;
  options.cache = true;
  SheepdogDouble second(cluster_, options);
  const DiskPtr disk =
      open(fmt::format("cache=writeback,file.fallback-servers.0.type=inet,"
                       "file.fallback-servers.0.host=127.0.0.1,file.fallback-servers.0.port={}",
                       second.port()));
  ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
  ASSERT_TRUE(run(disk->flush()).ok());
  ASSERT_TRUE(write(disk, 0, 4096, 2).ok());
  sheep().stop();
  EXPECT_TRUE(reads(disk, 0, 4096, 1)) << "the flushed state is what the other gateway has";
  const Result<void> flushed = run(disk->flush());
  ASSERT_FALSE(flushed.ok());
  EXPECT_EQ(flushed.error().code(), EIO);
  EXPECT_FALSE(run(disk->flush()).ok());
  close(disk);
}

TEST_F(SheepdogReconnect, theSameGatewayThatComesAgainHasLostNothing) {
  SheepSetting setting;
  setting.era = SheepEra::k09;
  beginWith(8 * kObject, setting, true);
  const DiskPtr disk = open("cache=writeback");
  ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
  ASSERT_TRUE(run(disk->flush()).ok());
  ASSERT_TRUE(write(disk, 0, 4096, 2).ok());
  sheep().stop();
  sheep().start();
  EXPECT_TRUE(reads(disk, 0, 4096, 2));
  EXPECT_TRUE(run(disk->flush()).ok());
  EXPECT_TRUE(stored("vm", 0, 4096, 2));
}

TEST_F(SheepdogReconnect, patienceEndsWhereItIsBounded) {
  beginWith(8 * kObject);
  const DiskPtr disk = open("file.reconnect-timeout=1");
  ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
  sheep().stop();
  const Result<void> failed = write(disk, 0, 4096, 2);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code(), EIO);
  EXPECT_TRUE(tells(failed.error().describe(), ""));
  sheep().start();
  until([&] { return driver(disk).volume().link().isUp(); });
  EXPECT_TRUE(write(disk, 0, 4096, 3).ok());
}

TEST_F(SheepdogReconnect, aDeadGatewayStallsItsOwnDiskAndIsSeen) {
  beginWith(8 * kObject);
  const DiskPtr disk = open();
  ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
  sheep().stop();
  const Outcome waiting = startWrite(disk, 0, 4096, 2);
  until([&] { return !graph_->stuck(std::chrono::milliseconds(1)).empty(); });
  const std::vector<StuckRequest> stuck = graph_->stuck(std::chrono::milliseconds(1));
  EXPECT_TRUE(std::any_of(stuck.begin(), stuck.end(), [](const StuckRequest& each) {
    return each.what == "write" && each.fileName.find("sheepdog://127.0.0.1:") == 0 && each.disk == "d0";
  }));
  // A flush with a deadline ends by it.
  CancelSource deadline;
  const auto timer =
      loop_->timer(std::chrono::milliseconds(20), [&] { deadline.cancel(Error("the deadline passed")); });
  const auto outcomes = run(graph_->flush("d0", ChangeContext("test", deadline.token())));
  const bool ended = !outcomes.ok() || std::any_of(outcomes->begin(), outcomes->end(),
                                                   [](const FlushOutcome& each) { return !each.result.ok(); });
  EXPECT_TRUE(ended);
  sheep().start();
  await(waiting);
  EXPECT_TRUE((*waiting)->ok());
}

TEST_F(SheepdogReconnect, aLockThatCouldNotBeGivenBackIsGivenBackLater) {
  SheepSetting setting;
  setting.locks = true;
  beginWith(8 * kObject, setting);
  addNode();
  Result<DiskPtr> disk = run(graph_->addDisk(DiskOptions("d0"), "n0", {}));
  ASSERT_TRUE(disk.ok()) << disk.error().describe();
  SheepdogDriver& below = driver(*disk);
  ASSERT_TRUE(run((*disk)->flush()).ok());
  sheep().stop();
  until([&] { return !below.volume().link().isUp(); });
  close(*std::move(disk));
  const auto locks = [&] {
    const std::lock_guard lock(cluster().guard);
    return cluster().locks.size();
  };
  EXPECT_EQ(locks(), 1U);
  sheep().start();
  until([&] { return locks() == 0; });
  EXPECT_TRUE(run(graph_->removeNode("n0", {})).ok());
}

// To an iothread and back, with requests from both, and with a gateway that is away at the time.
TEST_F(SheepdogReconnect, aDiskMovesToAnotherLoop) {
  SheepSetting setting;
  setting.locks = true;
  beginWith(8 * kObject, setting);
  const DiskPtr disk = open();
  ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
  LoopThread other(workers_);
  const NodePtr root = disk->root().shared_from_this();
  ASSERT_TRUE(run(graph_->moveHome(root, other.loop(), {})).ok());
  EXPECT_TRUE(reads(disk, 0, 4096, 1));
  ASSERT_TRUE(write(disk, kObject, 4096, 2).ok());
  EXPECT_TRUE(run(driver(disk).storageFacts()).ok());
  sheep().stop();
  ASSERT_TRUE(run(graph_->moveHome(root, *loop_, {})).ok());
  const Outcome waiting = startWrite(disk, 0, 4096, 3);
  sheep().start();
  await(waiting);
  EXPECT_TRUE((*waiting)->ok());
  EXPECT_TRUE(reads(disk, 0, 4096, 3));
  EXPECT_TRUE(reads(disk, kObject, 4096, 2));
  ASSERT_TRUE(run(graph_->moveHome(root, other.loop(), {})).ok());
  close(disk);
  const std::lock_guard lock(cluster().guard);
  EXPECT_TRUE(cluster().locks.empty()) << "the lock went along and was given back";
}

TEST_F(SheepdogReconnect, closingDoesNotWaitForAGatewayThatIsGone) {
  beginWith(8 * kObject);
  const DiskPtr disk = open("cache=none");
  ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
  sheep().stop();
  until([&] { return !driver(disk).volume().link().isUp(); });
  close(disk);
}

TEST_F(SheepdogReconnect, aSnapshotThatWasTakenMeanwhileIsFollowed) {
  beginWith(8 * kObject);
  const DiskPtr disk = open();
  ASSERT_TRUE(write(disk, 0, 8192, 1).ok());
  const std::uint32_t before = driver(disk).volume().vdi();
  sheep().stop();
  {
    const std::lock_guard lock(cluster().guard);
    ASSERT_NE(cluster().takeSnapshot("vm", "meanwhile"), 0U);
  }
  sheep().start();
  ASSERT_TRUE(write(disk, 0, 4096, 2).ok());
  EXPECT_NE(driver(disk).volume().vdi(), before);
  EXPECT_TRUE(reads(disk, 0, 4096, 2));
  EXPECT_TRUE(reads(disk, 4096, 4096, 1));
  const std::lock_guard lock(cluster().guard);
  const std::vector<std::byte> kept = cluster().stored(before, 0, 4096);
  EXPECT_EQ(kept, std::vector<std::byte>(4096, std::byte{1}));
}

}  // namespace
}  // namespace rhea::block::test
