// Gateways that answer wrongly, clusters that are not ready, inodes that cannot be: errors with names, no hang.
#include <sys/socket.h>

#include "emu/base/bytes.h"
#include "tests/block/sheepdog-support.h"

namespace rhea::block::test {
namespace {

class SheepdogBad : public SheepdogTest {
 protected:
  // What opening it says.
  std::string openError(const std::string& more = "read-only=on", const std::string& name = "vm") {
    const Result<DiskPtr> disk = tryOpen(more, name);
    if (disk.ok()) return "no error";
    return disk.error().describe();
  }
  void breakInode(std::uint64_t at, std::uint64_t value, std::size_t bytes) {
    const std::lock_guard lock(cluster().guard);
    SheepObject& inode = cluster().inode(cluster().lookUp("vm"));
    for (std::size_t i = 0; i < bytes; ++i)
      inode.put<std::uint8_t>(at + i, static_cast<std::uint8_t>(value >> (8 * i)));
  }
  using SheepObject = rhea::test::SheepObject;
};

TEST_F(SheepdogBad, aServerThatSpeaksSomethingElse) {
  for (const auto& [action, argument] :
       {std::pair(SheepRule::Action::kGarbage, 0U), std::pair(SheepRule::Action::kWrongId, 0U),
        std::pair(SheepRule::Action::kWrongOp, 0U), std::pair(SheepRule::Action::kTooLong, 100U)}) {
    beginWith(kObject);
    SheepRule rule(Op::kVdiInfo, action, argument);
    rule.count = -1;
    sheep().add(rule);
    const std::string error = openError();
    EXPECT_TRUE(tells(error, "does not speak Sheepdog"));
  }
}

TEST_F(SheepdogBad, aServerThatClosesInMidReply) {
  for (const SheepRule::Action action :
       {SheepRule::Action::kCutReply, SheepRule::Action::kCloseBefore, SheepRule::Action::kCloseAfter}) {
    for (const Op op : {Op::kVdiInfo, Op::kRead}) {
      beginWith(kObject);
      SheepRule rule(op, action);
      rule.count = -1;
      sheep().add(rule);
      const std::string error = openError();
      EXPECT_TRUE(tells(error, "is lost"));
    }
  }
}

TEST_F(SheepdogBad, nobodyListens) {
  begin();
  sheep().stop();
  const std::string error = openError();
  EXPECT_TRUE(tells(error, "VDI 'vm': cannot reach the gateway"));
}

TEST_F(SheepdogBad, anAnswerThatIsTooShort) {
  beginWith(kObject);
  sheep().add(SheepRule(Op::kRead, SheepRule::Action::kShort, 8));
  const std::string error = openError();
  EXPECT_TRUE(tells(error, "560 of 568 bytes"));
}

struct StateRow {
  std::uint32_t code;
  const char* part;
};

TEST_F(SheepdogBad, aClusterThatIsNotReady) {
  for (const StateRow& row :
       {StateRow{0x16, "not formatted"}, StateRow{0x17, "waits for nodes"}, StateRow{0x0f, "is starting"},
        StateRow{0x11, "shutting down"}, StateRow{0x95, "is starting"}, StateRow{0x7777, "0x7777"},
        StateRow{0x14, "another version"}}) {
    SheepSetting setting;
    setting.state = row.code;
    begin(setting);
    const std::string error = openError("");
    EXPECT_TRUE(tells(error, row.part));
  }
}

TEST_F(SheepdogBad, disksThatAreNotThere) {
  begin();
  EXPECT_TRUE(tells(openError(), "NO_VDI"));
  makeVdi("vm", kObject);
  EXPECT_TRUE(tells(openError("read-only=on", "vm#nothing"), "snapshot 'nothing' of VDI 'vm'"));
  EXPECT_TRUE(tells(openError("read-only=on", "vm#7"), "snapshot 7 of VDI 'vm'"));
}

TEST_F(SheepdogBad, aDiskThatIsLocked) {
  SheepSetting setting;
  setting.locks = true;
  beginWith(kObject, setting);
  const DiskPtr disk = open();
  const Result<DiskPtr> second = tryOpen("", "vm", "d1");
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), EBUSY);
  EXPECT_TRUE(tells(second.error().describe(), "VDI_LOCKED"));
  EXPECT_NE(second.error().hintText().find("dog vdi lock"), std::string::npos);
}

TEST_F(SheepdogBad, aSnapshotThatIsToBeWritten) {
  beginWith(kObject);
  {
    const std::lock_guard lock(cluster().guard);
    ASSERT_NE(cluster().takeSnapshot("vm", "s"), 0U);
  }
  EXPECT_TRUE(tells(openError("", "vm#s"), "a snapshot can only be read"));
  EXPECT_TRUE(tells(openError("", "vm#1"), "a snapshot can only be read"));
  // One that a lying daemon gives for the disk itself.
  SheepRule rule(Op::kRead, SheepRule::Action::kPayload, 520);
  rule.bytes = {std::byte{1}};
  sheep().add(rule);
  EXPECT_TRUE(tells(openError(""), "it is a snapshot"));
}

TEST_F(SheepdogBad, aFullCluster) {
  beginWith(2 * kObject);
  const DiskPtr disk = open();
  for (const std::uint32_t code : {0x13U, 0x15U}) {
    sheep().add(SheepRule(Op::kCreate, SheepRule::Action::kResult, code));
    const Result<void> refused = write(disk, 0, 4096, 1);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code(), ENOSPC);
    EXPECT_TRUE(tells(refused.error().describe(), "the cluster"));
  }
  sheep().add(SheepRule(Op::kNewVdi, SheepRule::Action::kResult, 0x13));
  const Result<void> made = create(creation("vm", kObject));
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code(), ENOSPC);
  EXPECT_TRUE(tells(made.error().describe(), "FULL_VDI"));
}

TEST_F(SheepdogBad, aServerThatTakesTheCallAndSaysNothing) {
  beginWith(kObject);
  sheep().freeze();
  const std::string text = fmt::format("if=none,id=d0,format=raw,file={}", sheep().uri("vm"));
  Result<DriveOptions> options = parseDrive(text, 0);
  ASSERT_TRUE(options.ok());
  CancelSource stop;
  const auto opened = start(openDrive(*graph_, *std::move(options), ChangeContext("test", stop.token()), {}));
  const auto timer = loop_->timer(std::chrono::milliseconds(20), [&] { stop.cancel(Error("the deadline passed")); });
  until([&] { return opened->has_value(); });
  EXPECT_FALSE((*opened)->ok());
  sheep().thaw();
}

TEST_F(SheepdogBad, aHaltedClusterReadsAndSaysThatThereIsNoRoom) {
  beginWith(kObject);
  const DiskPtr disk = open();
  ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
  {
    const std::lock_guard lock(cluster().guard);
    cluster().setting.halted = true;
  }
  EXPECT_TRUE(reads(disk, 0, 4096, 1));
  const Result<void> refused = write(disk, 0, 4096, 2);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ENOSPC);
  EXPECT_TRUE(tells(refused.error().describe(), "the cluster is halted"));
  {
    const std::lock_guard lock(cluster().guard);
    cluster().setting.halted = false;
  }
  EXPECT_TRUE(write(disk, 0, 4096, 2).ok());
}

struct InodeRow {
  std::uint64_t at;
  std::uint64_t value;
  std::size_t bytes;
  const char* part;
};

TEST_F(SheepdogBad, inodesThatCannotBe) {
  for (const InodeRow& row :
       {InodeRow{555, 5, 1, "objects have 2^5 bytes"}, InodeRow{555, 32, 1, "2^32"}, InodeRow{553, 7, 1, "kind 7"},
        InodeRow{536, std::uint64_t{1} << 43U, 8, "does not fit its index"}, InodeRow{536, ~std::uint64_t{0}, 8, "fit"},
        InodeRow{560, 5, 4, "number 000005"}, InodeRow{0, 'x', 1, "that of 'xm'"}, InodeRow{0, 0, 1, "no name"}}) {
    beginWith(kObject);
    // Found by its name, whatever the inode says afterwards.
    SheepRule rule(Op::kRead, SheepRule::Action::kPayload, static_cast<std::uint32_t>(row.at));
    for (std::size_t i = 0; i < row.bytes; ++i) rule.bytes.push_back(static_cast<std::byte>(row.value >> (8 * i)));
    sheep().add(rule);
    const std::string error = openError();
    EXPECT_TRUE(tells(error, row.part));
  }
}

TEST_F(SheepdogBad, aSlotThatNamesNoVdiIsAnError) {
  beginWith(2 * kObject);
  breakInode(sheepdog::kIndexOffset, 0xFF000001, 4);
  const DiskPtr disk = open();
  EXPECT_FALSE(reads(disk, 0, 4096, 0));
  const Result<void> refused = write(disk, 0, 4096, 1);
  ASSERT_FALSE(refused.ok());
  EXPECT_TRUE(tells(refused.error().describe(), "numbers have 24 bits"));
  EXPECT_TRUE(reads(disk, kObject, 4096, 0));
}

TEST_F(SheepdogBad, aNumberThatHasMoreThan24BitsIsAnError) {
  // Nothing answers so; a reply made by hand does.
  beginWith(kObject);
  SheepRule rule(Op::kRead, SheepRule::Action::kPayload, 560);
  rule.bytes = {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
  sheep().add(rule);
  EXPECT_TRUE(tells(openError(), "damaged"));
}

// Once it was open, nonsense ends a connection, and a request that always meets it ends with an error.
TEST_F(SheepdogBad, nonsenseInUseIsNotRepeatedForEver) {
  beginWith(kObject);
  const DiskPtr disk = open();
  ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
  SheepRule rule(Op::kRead, SheepRule::Action::kWrongId);
  rule.dataOnly = true;
  rule.count = -1;
  sheep().add(rule);
  EXPECT_FALSE(reads(disk, 0, 4096, 1));
  sheep().clearRules();
  EXPECT_TRUE(reads(disk, 0, 4096, 1));
  sheep().add(SheepRule(Op::kRead, SheepRule::Action::kTooLong, 1));
  EXPECT_TRUE(reads(disk, 0, 4096, 1)) << "once is forgiven";
}

TEST_F(SheepdogBad, anUnknownResultIsAnError) {
  beginWith(kObject);
  const DiskPtr disk = open();
  sheep().add(SheepRule(Op::kCreate, SheepRule::Action::kResult, 0x4711));
  const Result<void> refused = write(disk, 0, 4096, 1);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), EIO);
  EXPECT_TRUE(tells(refused.error().describe(), "0x4711"));
}

// --- hyper volumes

class SheepdogHyper : public SheepdogTest {
 protected:
  void makeHyper(bool deep) {
    const std::lock_guard lock(cluster().guard);
    const std::uint32_t vdi = cluster().makeVdi("vm", std::uint64_t{16} << 40U);
    auto& inode = cluster().inode(vdi);
    inode.put<std::uint8_t>(553, 1);
    const auto object = [&](std::uint32_t index, int fill) {
      rhea::test::SheepObject data(kObject);
      const std::vector<std::byte> bytes(8192, std::byte(fill));
      data.write(0, bytes);
      cluster().store[sheepdog::dataObject(vdi, index)] = data;
    };
    object(1, 1);
    object(2, 2);
    object(3000000, 3);
    rhea::test::SheepObject leaf(kObject);
    rhea::test::SheepObject* const entries = deep ? &leaf : &inode;
    const std::uint64_t at = deep ? 0 : sheepdog::kIndexOffset;
    const auto head = [](rhea::test::SheepObject& node, std::uint64_t place, std::uint16_t depth, std::uint32_t count) {
      node.put<std::uint16_t>(place, 0x6274);
      node.put<std::uint16_t>(place + 2, depth);
      node.put<std::uint32_t>(place + 4, count);
    };
    head(*entries, at, 1, 3);
    const std::uint32_t places[] = {1, 2, 3000000};
    for (std::uint64_t i = 0; i < 3; ++i) {
      entries->put<std::uint32_t>(at + 8 + i * 8, places[i]);
      entries->put<std::uint32_t>(at + 12 + i * 8, vdi);
    }
    if (!deep) return;
    const std::uint64_t node = sheepdog::kTreeBit | sheepdog::dataObject(vdi, 0);
    cluster().store[node] = leaf;
    head(inode, sheepdog::kIndexOffset, 2, 1);
    inode.put<std::uint32_t>(sheepdog::kIndexOffset + 8, 4000000);
    inode.put<std::uint64_t>(sheepdog::kIndexOffset + 16, node);
  }
};

TEST_F(SheepdogHyper, canBeReadAndNothingElse) {
  for (const bool deep : {false, true}) {
    begin();
    makeHyper(deep);
    Result<DiskPtr> disk = tryOpen("read-only=on");
    ASSERT_TRUE(disk.ok()) << disk.error().describe();
    EXPECT_EQ((*disk)->length(), std::uint64_t{16} << 40U);
    EXPECT_TRUE(reads(*disk, kObject, 4096, 1));
    EXPECT_TRUE(reads(*disk, 2 * kObject, 4096, 2));
    EXPECT_TRUE(reads(*disk, 3000000 * kObject, 4096, 3));
    EXPECT_TRUE(reads(*disk, 0, 4096, 0));
    EXPECT_TRUE(reads(*disk, (std::uint64_t{16} << 40U) - 4096, 4096, 0));
    const Result<BlockStatus> hole = run(driver(*disk).status(Extent(0, std::uint64_t{8} << 40U), true));
    ASSERT_TRUE(hole.ok());
    EXPECT_EQ(hole->length, kObject);
    EXPECT_TRUE(hole->zero);
    const Result<BlockStatus> data = run(driver(*disk).status(Extent(kObject, std::uint64_t{8} << 40U), true));
    EXPECT_EQ(data->length, 2 * kObject);
    close(*disk);
    const Result<DiskPtr> writable = tryOpen("");
    ASSERT_FALSE(writable.ok());
    EXPECT_TRUE(tells(writable.error().describe(), "hyper volume"));
  }
}

TEST_F(SheepdogHyper, aTreeThatIsNoneIsAnError) {
  begin();
  makeHyper(false);
  {
    const std::lock_guard lock(cluster().guard);
    cluster().inode(cluster().lookUp("vm")).put<std::uint32_t>(sheepdog::kIndexOffset + 4, 0xFFFFFFFF);
  }
  const Result<DiskPtr> disk = tryOpen("read-only=on");
  ASSERT_FALSE(disk.ok());
  EXPECT_TRUE(tells(disk.error().describe(), "damaged"));
}

}  // namespace
}  // namespace rhea::block::test
