// What a check finds: objects that are missing, and those that a client left which died before it named them.
#include "tests/block/sheepdog-support.h"

namespace rhea::block::test {
namespace {

using sheepdog::ObjectRange;

class SheepdogCheck : public SheepdogTest {
 protected:
  static SheepSetting setting(SheepEra era) {
    SheepSetting made;
    made.era = era;
    return made;
  }
  CheckReport check(const DiskPtr& disk, bool repair = false) {
    CheckWish wish;
    wish.repairLeaks = repair;
    Progress progress;
    Result<CheckReport> report = run(driver(disk).check(wish, progress, CancelToken()));
    if (!report.ok()) throw std::runtime_error(report.error().describe());
    return *std::move(report);
  }
  // A client makes an object of the disk "vm" and dies.
  void leak(std::uint32_t index, std::uint16_t flags = sheepdog::kFlagDirect, std::uint32_t ancestor = 0) {
    std::uint32_t vdi = 0;
    {
      const std::lock_guard lock(cluster().guard);
      vdi = cluster().lookUp("vm");
    }
    const std::uint64_t cow = ancestor == 0 ? 0 : sheepdog::dataObject(ancestor, index);
    const std::vector<std::byte> data(4096, std::byte{0x66});
    const ObjectRange range(sheepdog::dataObject(vdi, index), 8192, 4096);
    ASSERT_EQ(sayAsAnother(sheepdog::createRequest(range, cow, flags), data), 0U);
  }
  std::size_t dataObjects() {
    const std::lock_guard lock(cluster().guard);
    return cluster().dataObjects();
  }
  static constexpr SheepEra kEras[] = {SheepEra::k08, SheepEra::k09, SheepEra::k10};
};

TEST_F(SheepdogCheck, anObjectThatNoSlotNamesIsFoundAndTakenAway) {
  for (const SheepEra era : kEras) {
    beginWith(6 * kObject, setting(era), era == SheepEra::k09);
    leak(2);
    leak(5);
    const DiskPtr disk = open();
    ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
    ASSERT_TRUE(run(disk->flush()).ok());
    EXPECT_EQ(dataObjects(), 3U);
    const CheckReport found = check(disk);
    EXPECT_EQ(found.leaks, 2U);
    EXPECT_EQ(found.corruptions, 0U);
    EXPECT_EQ(found.allocatedClusters, 1U);
    ASSERT_EQ(found.findings.size(), 2U);
    EXPECT_NE(found.findings[0].find("is in no index"), std::string::npos) << found.findings[0];
    const CheckReport mended = check(disk, true);
    EXPECT_EQ(mended.leaks, 0U);
    EXPECT_EQ(mended.leaksFixed, 2U);
    EXPECT_EQ(check(disk).leaks, 0U);
    EXPECT_TRUE(reads(disk, 0, 4096, 1));
    EXPECT_TRUE(reads(disk, 2 * kObject, 65536, 0));
    close(disk);
    EXPECT_EQ(dataObjects(), 1U);
  }
}

TEST_F(SheepdogCheck, aCopyThatNobodyNamesIsReplacedByTheNextWrite) {
  beginWith(2 * kObject);
  {
    const DiskPtr disk = open();
    ASSERT_TRUE(write(disk, 0, 16384, 1).ok());
    close(disk);
  }
  std::uint32_t ancestor = 0;
  {
    const std::lock_guard lock(cluster().guard);
    ancestor = cluster().lookUp("vm");
    ASSERT_NE(cluster().takeSnapshot("vm", "s"), 0U);
  }
  leak(0, sheepdog::kFlagDirect, ancestor);
  const DiskPtr disk = open();
  const CheckReport found = check(disk, true);
  EXPECT_EQ(found.leaks, 1U) << "to take it away would give up the snapshot's object";
  EXPECT_NE(found.findings.at(0).find("the next write"), std::string::npos) << found.findings[0];
  EXPECT_TRUE(reads(disk, 8192, 4096, 1));
  ASSERT_TRUE(write(disk, 0, 4096, 2).ok());
  EXPECT_TRUE(reads(disk, 8192, 4096, 1));
  EXPECT_EQ(check(disk).leaks, 0U);
}

TEST_F(SheepdogCheck, aSnapshotsObjectsAreNeverLeaked) {
  beginWith(4 * kObject);
  {
    const DiskPtr disk = open();
    ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
    SnapshotInfo info;
    info.name = "s";
    ASSERT_TRUE(run(driver(disk).createSnapshot(info)).ok());
    ASSERT_TRUE(write(disk, kObject, 4096, 1).ok());
    EXPECT_EQ(check(disk).leaks, 0U);
    close(disk);
  }
  const DiskPtr old = open("read-only=on", "vm#s");
  const CheckReport report = check(old);
  EXPECT_EQ(report.leaks + report.corruptions, 0U);
  EXPECT_EQ(report.allocatedClusters, 1U);
}

TEST_F(SheepdogCheck, theStateOfAMachineThatNoSnapshotHasIsFound) {
  beginWith(kObject);
  const DiskPtr disk = open();
  const std::vector<std::byte> state(kObject + 65536, std::byte{3});
  const IoVector view{std::span<const std::byte>(state)};
  ASSERT_TRUE(run(driver(disk).writeVmState(Extent(0, state.size()), view)).ok());
  EXPECT_EQ(check(disk).leaks, 2U);
  EXPECT_EQ(check(disk, true).leaksFixed, 2U);
  EXPECT_EQ(check(disk).leaks, 0U);
}

TEST_F(SheepdogCheck, anObjectInTheMakingIsNotTakenForALeak) {
  beginWith(2 * kObject);
  const DiskPtr disk = open();
  SheepRule hold(Op::kWrite, SheepRule::Action::kHold);
  hold.oidBits = sheepdog::kInodeBit;
  sheep().add(hold);
  const std::vector<std::byte> data(4096, std::byte{5});
  const IoVector view{std::span<const std::byte>(data)};
  const auto written = start(disk->write(Extent(kObject, 4096), view));
  until([&] { return sheep().held() == 1; });
  EXPECT_EQ(check(disk, true).leaks, 0U);
  sheep().release();
  until([&] { return written->has_value(); });
  EXPECT_TRUE(reads(disk, kObject, 4096, 5));
}

TEST_F(SheepdogCheck, whatIsMissingIsTold) {
  beginWith(4 * kObject);
  const DiskPtr disk = open();
  ASSERT_TRUE(write(disk, kObject, 4096, 1).ok());
  {
    const std::lock_guard lock(cluster().guard);
    cluster().store.erase(sheepdog::dataObject(cluster().lookUp("vm"), 1));
  }
  const CheckReport report = check(disk);
  EXPECT_EQ(report.corruptions, 1U);
  EXPECT_NE(report.findings.at(0).find("NO_OBJ"), std::string::npos) << report.findings[0];
}

// A daemon of 0.9 dies of a creation of what its cache has, which the double tells of as well.
TEST_F(SheepdogCheck, whatAClientThatDiedLeftInTheCacheIsMadeAgainSafely) {
  beginWith(4 * kObject, setting(SheepEra::k09), true);
  leak(1, sheepdog::kFlagCache);
  const DiskPtr disk = open("cache=writeback");
  ASSERT_TRUE(write(disk, kObject, 4096, 1).ok());
  EXPECT_TRUE(reads(disk, kObject, 4096, 1));
  EXPECT_TRUE(reads(disk, kObject + 4096, 16384, 0)) << "nothing of the former object shows";
  ASSERT_TRUE(write(disk, 2 * kObject, 4096, 2).ok());
  ASSERT_TRUE(run(disk->flush()).ok());
  EXPECT_TRUE(stored("vm", kObject, 4096, 1));
  EXPECT_EQ(driver(disk).volume().link().counts().lost.load(), 0U);
}

}  // namespace
}  // namespace rhea::block::test
