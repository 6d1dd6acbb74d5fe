// Snapshots, locks, sizes, space and the making of sheepdog disks, on daemons of three generations.
#include "block/core/image.h"
#include "block/driver/sheepdog/create.h"
#include "tests/block/sheepdog-support.h"

namespace rhea::block::test {
namespace {

class SheepdogSnapshots : public SheepdogTest {
 protected:
  static SheepSetting setting(SheepEra era, bool locks = false) {
    SheepSetting made;
    made.era = era;
    made.locks = locks;
    return made;
  }
  static SnapshotInfo named(const std::string& name) {
    SnapshotInfo info;
    info.name = name;
    return info;
  }
  static constexpr SheepEra kEras[] = {SheepEra::k08, SheepEra::k09, SheepEra::k10};
};

TEST_F(SheepdogSnapshots, aSnapshotKeepsWhatWas) {
  for (const SheepEra era : kEras) {
    beginWith(4 * kObject, setting(era, true), era == SheepEra::k09);
    DiskPtr disk = open();
    ASSERT_TRUE(write(disk, 0, 8192, 1).ok());
    const std::uint32_t before = driver(disk).volume().vdi();
    const Result<void> taken = run(driver(disk).createSnapshot(named("monday")));
    ASSERT_TRUE(taken.ok()) << taken.error().describe();
    const std::uint32_t after = driver(disk).volume().vdi();
    EXPECT_NE(after, before);
    {
      const std::lock_guard lock(cluster().guard);
      EXPECT_EQ(cluster().locks, std::set<std::uint32_t>{after}) << "the lock goes with the disk";
      EXPECT_EQ(cluster().lookUp("vm", "monday"), before);
    }
    ASSERT_TRUE(write(disk, 0, 4096, 2).ok());
    EXPECT_TRUE(reads(disk, 0, 4096, 2));
    EXPECT_TRUE(reads(disk, 4096, 4096, 1));
    const Result<std::vector<SnapshotInfo>> list = run(driver(disk).snapshots());
    ASSERT_TRUE(list.ok());
    ASSERT_EQ(list->size(), 1U);
    EXPECT_EQ(list->front().name, "monday");
    EXPECT_EQ(list->front().id, "1");
    EXPECT_EQ(list->front().diskBytes, 4 * kObject);
    ASSERT_TRUE(run(disk->flush()).ok());
    close(std::move(disk));
    for (const char* which : {"#monday", "#1"}) {
      Result<DiskPtr> old = tryOpen("read-only=on", "vm" + std::string(which));
      ASSERT_TRUE(old.ok()) << old.error().describe();
      EXPECT_TRUE(reads(*old, 0, 8192, 1));
      close(*old);
    }
  }
}

TEST_F(SheepdogSnapshots, goingBackPutsTheContentBackAndLeavesNothing) {
  for (const SheepEra era : kEras) {
    beginWith(4 * kObject, setting(era, true), era == SheepEra::k09);
    DiskPtr disk = open();
    ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
    ASSERT_TRUE(run(driver(disk).createSnapshot(named("good"))).ok());
    ASSERT_TRUE(write(disk, 0, 4096, 2).ok());
    ASSERT_TRUE(write(disk, 2 * kObject, 4096, 2).ok());
    const Result<void> back = run(driver(disk).revertToSnapshot("good"));
    ASSERT_TRUE(back.ok()) << back.error().describe();
    EXPECT_TRUE(reads(disk, 0, 4096, 1));
    EXPECT_TRUE(reads(disk, 2 * kObject, 4096, 0));
    const Result<std::vector<SnapshotInfo>> list = run(driver(disk).snapshots());
    ASSERT_TRUE(list.ok());
    EXPECT_EQ(list->size(), 1U) << "the state that was given up is deleted";
    ASSERT_TRUE(write(disk, 0, 4096, 3).ok());
    EXPECT_TRUE(reads(disk, 0, 4096, 3));
    close(std::move(disk));
    Result<DiskPtr> old = tryOpen("read-only=on", "vm#good");
    ASSERT_TRUE(old.ok());
    EXPECT_TRUE(reads(*old, 0, 4096, 1));
    close(*old);
  }
}

TEST_F(SheepdogSnapshots, deletingASnapshotLeavesTheDiskAsItIs) {
  for (const SheepEra era : kEras) {
    beginWith(4 * kObject, setting(era));
    const DiskPtr disk = open();
    ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
    ASSERT_TRUE(write(disk, kObject, 4096, 1).ok());
    ASSERT_TRUE(run(driver(disk).createSnapshot(named("a"))).ok());
    ASSERT_TRUE(write(disk, 0, 4096, 2).ok());
    const Result<void> gone = run(driver(disk).deleteSnapshot("a"));
    ASSERT_TRUE(gone.ok()) << gone.error().describe();
    EXPECT_TRUE(run(driver(disk).snapshots())->empty());
    EXPECT_TRUE(reads(disk, 0, 4096, 2));
    EXPECT_TRUE(reads(disk, kObject, 4096, 1)) << "shared with the snapshot that went";
    close(disk);
  }
}

TEST_F(SheepdogSnapshots, whatIsNotThereIsToldWithWhatIs) {
  beginWith(kObject);
  const DiskPtr disk = open();
  ASSERT_TRUE(run(driver(disk).createSnapshot(named("monday"))).ok());
  const Result<void> missing = run(driver(disk).deleteSnapshot("tuesday"));
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().candidateNames(), std::vector<std::string>{"monday"});
  const Result<void> twice = run(driver(disk).createSnapshot(named("monday")));
  ASSERT_FALSE(twice.ok());
  EXPECT_EQ(twice.error().code(), EEXIST);
}

TEST_F(SheepdogSnapshots, aSnapshotIsTakenOnceWhateverBecomesOfTheConnection) {
  for (const SheepRule::Action action : {SheepRule::Action::kCloseAfter, SheepRule::Action::kCloseBefore}) {
    beginWith(4 * kObject, setting(SheepEra::k10, true));
    const DiskPtr disk = open();
    ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
    sheep().add(SheepRule(Op::kNewVdi, action));
    const Result<void> taken = run(driver(disk).createSnapshot(named("once")));
    ASSERT_TRUE(taken.ok()) << taken.error().describe();
    EXPECT_EQ(run(driver(disk).snapshots())->size(), 1U);
    ASSERT_TRUE(write(disk, 0, 4096, 2).ok());
    EXPECT_TRUE(reads(disk, 0, 4096, 2));
    close(disk);
    const std::lock_guard lock(cluster().guard);
    EXPECT_TRUE(cluster().locks.empty());
  }
}

// Somebody else takes a snapshot: data writes are refused from then on, while writes of slots still seem to work.
TEST_F(SheepdogSnapshots, aSnapshotByOthersIsFollowed) {
  beginWith(4 * kObject, setting(SheepEra::k10, true));
  DiskPtr disk = open();
  ASSERT_TRUE(write(disk, 0, 8192, 1).ok());
  const std::uint32_t before = driver(disk).volume().vdi();
  std::uint32_t after = 0;
  {
    const std::lock_guard lock(cluster().guard);
    after = cluster().takeSnapshot("vm", "foreign");
  }
  ASSERT_TRUE(write(disk, kObject, 4096, 3).ok());
  ASSERT_TRUE(write(disk, 0, 4096, 2).ok());
  EXPECT_EQ(driver(disk).volume().vdi(), after);
  EXPECT_TRUE(reads(disk, 0, 4096, 2));
  EXPECT_TRUE(reads(disk, 4096, 4096, 1));
  EXPECT_TRUE(reads(disk, kObject, 4096, 3));
  {
    const std::lock_guard lock(cluster().guard);
    EXPECT_EQ(cluster().locks, std::set<std::uint32_t>{after});
    EXPECT_EQ(cluster().stored(before, 0, 8192), std::vector<std::byte>(8192, std::byte{1}));
    EXPECT_EQ(cluster().slot(after, 1), after);
  }
  close(std::move(disk));
}

// An object that was made before a foreign snapshot, whose slot went to the old inode after it.
TEST_F(SheepdogSnapshots, whatWasMadeWhileOthersTookASnapshotIsCarriedOver) {
  beginWith(4 * kObject);
  const DiskPtr disk = open();
  SheepRule hold(Op::kWrite, SheepRule::Action::kHold);
  hold.oidBits = sheepdog::kInodeBit;
  sheep().add(hold);
  const std::vector<std::byte> data(4096, std::byte{5});
  const IoVector view{std::span<const std::byte>(data)};
  const auto outcome = start(disk->write(Extent(kObject, 4096), view));
  until([&] { return sheep().held() == 1; });
  std::uint32_t after = 0;
  {
    const std::lock_guard lock(cluster().guard);
    after = cluster().takeSnapshot("vm", "between");
  }
  sheep().release();
  until([&] { return outcome->has_value(); });
  EXPECT_TRUE((*outcome)->ok());
  ASSERT_TRUE(write(disk, 0, 4096, 6).ok());
  EXPECT_TRUE(reads(disk, kObject, 4096, 5));
  ASSERT_TRUE(run(disk->flush()).ok());
  EXPECT_TRUE(stored("vm", kObject, 4096, 5));
  EXPECT_EQ(driver(disk).volume().vdi(), after);
}

TEST_F(SheepdogSnapshots, theStateOfAMachineLiesBesideItsSnapshot) {
  beginWith(4 * kObject);
  const DiskPtr disk = open();
  const std::uint64_t bytes = kObject + 65536;
  std::vector<std::byte> state(bytes);
  for (std::size_t i = 0; i < state.size(); ++i) state[i] = static_cast<std::byte>(i * 7);
  for (std::uint64_t at = 0; at < bytes; at += 65536) {
    const IoVector piece{std::span<const std::byte>(state).subspan(at, 65536)};
    ASSERT_TRUE(run(driver(disk).writeVmState(Extent(at, 65536), piece)).ok());
  }
  SnapshotInfo info = named("running");
  info.vmStateBytes = bytes;
  info.vmClock = 12345;
  ASSERT_TRUE(run(driver(disk).createSnapshot(info)).ok());
  const Result<std::vector<SnapshotInfo>> list = run(driver(disk).snapshots());
  ASSERT_EQ(list->size(), 1U);
  EXPECT_EQ(list->front().vmStateBytes, bytes);
  EXPECT_EQ(list->front().vmClock, 12345U);
  ASSERT_TRUE(run(driver(disk).revertToSnapshot("running")).ok());
  std::vector<std::byte> back(bytes);
  const IoVector room{std::span<std::byte>(back)};
  ASSERT_TRUE(run(driver(disk).readVmState(Extent(0, bytes), room)).ok());
  EXPECT_EQ(back, state);
  ASSERT_TRUE(run(driver(disk).deleteSnapshot("running")).ok());
  const std::lock_guard lock(cluster().guard);
  for (const auto& [oid, object] : cluster().store) EXPECT_EQ(oid & sheepdog::kVmStateBit, 0U) << "state left behind";
}

// --- locks

TEST_F(SheepdogSnapshots, aDiskThatIsInUseCannotBeWrittenElsewhereUntilItIsClosed) {
  beginWith(kObject, setting(SheepEra::k10, true));
  const DiskPtr disk = open();
  EXPECT_FALSE(tryOpen("", "vm", "d1").ok());
  close(disk);
  close(open());
}

TEST_F(SheepdogSnapshots, readersNeedNoLock) {
  beginWith(kObject, setting(SheepEra::k10, true));
  const Result<DiskPtr> reader = tryOpen("read-only=on");
  ASSERT_TRUE(reader.ok()) << reader.error().describe();
  const std::lock_guard lock(cluster().guard);
  EXPECT_TRUE(cluster().locks.empty());
}

TEST_F(SheepdogSnapshots, lockingCanBeLeftOut) {
  beginWith(kObject, setting(SheepEra::k10, true));
  const DiskPtr disk = open("file.locking=off");
  ASSERT_TRUE(write(disk, 0, 512, 1).ok());
  const std::lock_guard lock(cluster().guard);
  EXPECT_TRUE(cluster().locks.empty());
}

TEST_F(SheepdogSnapshots, withAutoReadOnlyTheLockComesWithTheFirstWriter) {
  beginWith(kObject, setting(SheepEra::k10, true));
  addNode();
  const auto locks = [&] {
    const std::lock_guard lock(cluster().guard);
    return cluster().locks.size();
  };
  EXPECT_EQ(locks(), 0U);
  Result<DiskPtr> disk = run(graph_->addDisk(DiskOptions("d0"), "n0", {}));
  ASSERT_TRUE(disk.ok()) << disk.error().describe();
  EXPECT_EQ(locks(), 1U);
  EXPECT_TRUE(write(*disk, 0, 4096, 1).ok());
  EXPECT_TRUE(reads(*disk, 0, 4096, 1));
  close(*std::move(disk));
  until([&] { return locks() == 0; });
  EXPECT_TRUE(run(graph_->removeNode("n0", {})).ok());
}

// --- size and space

TEST_F(SheepdogSnapshots, aDiskGrowsAndDoesNotShrink) {
  beginWith(kObject);
  const DiskPtr disk = open();
  ASSERT_TRUE(run(driver(disk).resize(3 * kObject, Preallocation::kOff)).ok());
  EXPECT_EQ(disk->length(), 3 * kObject);
  EXPECT_TRUE(reads(disk, kObject, 8192, 0));
  ASSERT_TRUE(write(disk, 3 * kObject - 4096, 4096, 1).ok());
  const Result<void> shorter = run(driver(disk).resize(kObject, Preallocation::kOff));
  ASSERT_FALSE(shorter.ok());
  EXPECT_EQ(shorter.error().code(), ENOTSUP);
  EXPECT_FALSE(run(driver(disk).resize(std::uint64_t{5} << 40U, Preallocation::kOff)).ok()) << "beyond the index";
  close(disk);
  const DiskPtr again = open();
  EXPECT_EQ(again->length(), 3 * kObject);
  EXPECT_TRUE(reads(again, 3 * kObject - 4096, 4096, 1));
}

TEST_F(SheepdogSnapshots, discardGivesWholeObjectsBack) {
  for (const SheepEra era : kEras) {
    beginWith(3 * kObject + 65536, setting(era));
    const DiskPtr disk = open("discard=unmap");
    for (std::uint64_t i = 0; i < 4; ++i) ASSERT_TRUE(write(disk, i * kObject, 4096, 1).ok());
    ASSERT_TRUE(run(disk->discard(Extent(512, 2 * kObject))).ok());
    {
      const std::lock_guard lock(cluster().guard);
      EXPECT_EQ(cluster().dataObjects(), 3U) << "only the second is wholly within";
    }
    EXPECT_TRUE(reads(disk, kObject, 4096, 0));
    EXPECT_TRUE(reads(disk, 0, 4096, 1));
    ASSERT_TRUE(run(disk->discard(Extent(3 * kObject, 65536))).ok());
    {
      const std::lock_guard lock(cluster().guard);
      EXPECT_EQ(cluster().dataObjects(), 2U) << "the end of the disk counts as the end of its object";
    }
    ASSERT_TRUE(write(disk, kObject, 4096, 2).ok());
    EXPECT_TRUE(reads(disk, kObject, 4096, 2));
    close(disk);
  }
}

TEST_F(SheepdogSnapshots, zeroesOverASnapshotLeaveTheSnapshotAlone) {
  for (const SheepEra era : kEras) {
    beginWith(2 * kObject, setting(era));
    const DiskPtr disk = open("discard=unmap");
    ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
    ASSERT_TRUE(run(driver(disk).createSnapshot(named("s"))).ok());
    ASSERT_TRUE(run(disk->writeZeroes(Extent(0, kObject), WriteFlags::mayUnmap())).ok());
    EXPECT_TRUE(reads(disk, 0, 4096, 0));
    Result<DiskPtr> old = tryOpen("read-only=on", "vm#s", "d1");
    ASSERT_TRUE(old.ok()) << old.error().describe();
    EXPECT_TRUE(reads(*old, 0, 4096, 1));
    close(*old);
    close(disk);
  }
}

// --- making

class SheepdogCreate : public SheepdogSnapshots {};

TEST_F(SheepdogCreate, aNewDiskIsEmpty) {
  for (const SheepEra era : kEras) {
    begin(setting(era));
    const Result<void> made = create(creation("new", 10 * kObject + 512));
    ASSERT_TRUE(made.ok()) << made.error().describe();
    const DiskPtr disk = open("", "new");
    EXPECT_EQ(disk->length(), 10 * kObject + 512);
    EXPECT_TRUE(reads(disk, 0, 65536, 0));
    close(disk);
    const Result<void> twice = create(creation("new", kObject));
    ASSERT_FALSE(twice.ok());
    EXPECT_EQ(twice.error().code(), EEXIST);
  }
}

TEST_F(SheepdogCreate, objectSizesOtherThanTheUsualNeedANewDaemon) {
  begin(setting(SheepEra::k10));
  auto wish = creation("big", std::uint64_t{5} << 40U);
  wish.objectSize = std::uint64_t{8} << 20U;
  ASSERT_TRUE(create(wish).ok());
  const DiskPtr disk = open("", "big");
  EXPECT_EQ(driver(disk).volume().objectSize(), std::uint64_t{8} << 20U);
  ASSERT_TRUE(write(disk, (std::uint64_t{8} << 20U) - 4096, 8192, 3).ok());
  EXPECT_TRUE(reads(disk, (std::uint64_t{8} << 20U) - 4096, 8192, 3));
  close(disk);
  begin(setting(SheepEra::k09));
  auto refused = creation("big", kObject);
  refused.objectSize = std::uint64_t{8} << 20U;
  const Result<void> made = create(refused);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code(), ENOTSUP);
  const std::lock_guard lock(cluster().guard);
  EXPECT_EQ(cluster().lookUp("big"), 0U) << "what the daemon made of it is deleted again";
}

TEST_F(SheepdogCreate, redundancyIsAsAsked) {
  begin();
  auto copies = creation("c3", kObject);
  copies.redundancy.emplace();
  copies.redundancy->type = qapi::SheepdogRedundancyType::full;
  qapi::SheepdogRedundancyFull full;
  full.copies = 3;
  copies.redundancy->u = full;
  ASSERT_TRUE(create(copies).ok());
  auto strips = creation("e42", kObject);
  strips.redundancy.emplace();
  strips.redundancy->type = qapi::SheepdogRedundancyType::erasureCoded;
  qapi::SheepdogRedundancyErasureCoded coded;
  coded.dataStrips = 4;
  coded.parityStrips = 2;
  strips.redundancy->u = coded;
  ASSERT_TRUE(create(strips).ok());
  {
    const std::lock_guard lock(cluster().guard);
    EXPECT_EQ(cluster().inode(cluster().lookUp("c3")).get<std::uint8_t>(554), 3);
    EXPECT_EQ(cluster().inode(cluster().lookUp("e42")).get<std::uint8_t>(552), 0x22);
    EXPECT_EQ(cluster().inode(cluster().lookUp("e42")).get<std::uint8_t>(554), 6);
  }
  coded.dataStrips = 3;
  strips.redundancy->u = coded;
  strips.location.vdi = "e32";
  const Result<void> refused = create(strips);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().whereText(), "redundancy.data-strips");
}

TEST_F(SheepdogCreate, whatADaemonWouldTakeWithoutLookingIsRefused) {
  begin();
  EXPECT_FALSE(create(creation("huge", std::uint64_t{5} << 40U)).ok()) << "more than the index holds";
  auto odd = creation("odd", kObject);
  odd.objectSize = 3 << 20;
  EXPECT_FALSE(create(odd).ok());
  odd.objectSize = 1 << 16;
  EXPECT_FALSE(create(odd).ok());
  EXPECT_FALSE(create(creation(std::string(256, 'x'), kObject)).ok());
  EXPECT_FALSE(create(creation("", kObject)).ok());
  EXPECT_EQ(sheep().seen(Op::kNewVdi), 0U);
}

TEST_F(SheepdogCreate, aCloneBeginsAsItsSnapshotAndGoesItsOwnWay) {
  for (const SheepEra era : kEras) {
    begin(setting(era));
    makeVdi("base", 2 * kObject);
    {
      const DiskPtr disk = open("", "base");
      ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
      ASSERT_TRUE(run(driver(disk).createSnapshot(named("gold"))).ok());
      close(disk);
    }
    auto wish = creation("clone", 2 * kObject);
    wish.backingFile = "sheepdog:base#gold";
    const Result<void> made = create(wish);
    ASSERT_TRUE(made.ok()) << made.error().describe();
    const DiskPtr clone = open("", "clone");
    EXPECT_TRUE(reads(clone, 0, 4096, 1));
    ASSERT_TRUE(write(clone, 0, 512, 2).ok());
    EXPECT_TRUE(reads(clone, 0, 512, 2));
    EXPECT_TRUE(reads(clone, 512, 3584, 1));
    close(clone);
    const DiskPtr base = open("", "base");
    EXPECT_TRUE(reads(base, 0, 4096, 1));
    close(base);
    auto working = creation("other", 2 * kObject);
    working.backingFile = "sheepdog:base";
    EXPECT_FALSE(create(working).ok()) << "a disk in use cannot be cloned";
    auto shorter = creation("short", kObject);
    shorter.backingFile = "sheepdog:base#gold";
    EXPECT_FALSE(create(shorter).ok());
  }
}

TEST_F(SheepdogCreate, spaceCanBeGivenAtOnce) {
  begin();
  auto wish = creation("full", 3 * kObject + 512);
  wish.preallocation = qapi::PreallocMode::full;
  ASSERT_TRUE(create(wish).ok());
  {
    const std::lock_guard lock(cluster().guard);
    EXPECT_EQ(cluster().dataObjects(), 4U);
  }
  const DiskPtr disk = open("", "full");
  EXPECT_TRUE(reads(disk, 0, 65536, 0));
  sheep().clearLog();
  ASSERT_TRUE(write(disk, kObject, 4096, 1).ok());
  EXPECT_EQ(sheep().seen(Op::kCreate), 0U);
}

TEST_F(SheepdogCreate, aDiskIsMadeOnceWhateverBecomesOfTheConnection) {
  for (const SheepRule::Action action : {SheepRule::Action::kCloseAfter, SheepRule::Action::kCloseBefore}) {
    begin();
    sheep().add(SheepRule(Op::kNewVdi, action));
    const Result<void> made = create(creation("vm", kObject));
    ASSERT_TRUE(made.ok()) << made.error().describe();
    const std::lock_guard lock(cluster().guard);
    EXPECT_EQ(cluster().inUse.size(), 1U);
  }
}

}  // namespace
}  // namespace rhea::block::test
