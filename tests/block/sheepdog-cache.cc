// Cache modes of a sheepdog disk: which flags go out, when it flushes, and what a power cut leaves.
#include "tests/block/sheepdog-support.h"

namespace rhea::block::test {
namespace {

using sheepdog::kFlagCache;
using sheepdog::kFlagDirect;

class SheepdogCache : public SheepdogTest {
 protected:
  static SheepSetting setting(SheepEra era) {
    SheepSetting made;
    made.era = era;
    return made;
  }
  // The cache flags of all requests on objects since the log was cleared, but for those of the opening.
  std::set<int> flagsSeen() {
    std::set<int> flags;
    for (const SheepSeen& seen : sheep().log()) {
      if (seen.request.op <= 3) flags.insert(seen.request.flags & (kFlagCache | kFlagDirect));
    }
    return flags;
  }
  std::size_t flushes() { return sheep().seen(Op::kFlushVdi); }
};

struct ModeRow {
  const char* mode;
  int flag;
  std::size_t flushesOfThreeWrites;  // without one by the guest
  bool guestFlushGoesOut;
  bool keptAfterWrite;  // by a power cut
  bool keptAfterFlush;
};
constexpr ModeRow kModes[] = {
    {"writeback", kFlagCache, 0, true, false, true}, {"writethrough", kFlagCache, 3, false, true, true},
    {"none", kFlagDirect, 0, false, true, true},     {"directsync", kFlagDirect, 0, false, true, true},
    {"unsafe", kFlagCache, 0, false, false, false},
};

TEST_F(SheepdogCache, eachModeSendsItsFlagsAndKeepsItsPromise) {
  for (const ModeRow& row : kModes) {
    SCOPED_TRACE(row.mode);
    beginWith(4 * kObject, setting(SheepEra::k09), true);
    DiskPtr disk = open(fmt::format("cache={}", row.mode));
    ASSERT_TRUE(run(disk->flush()).ok());                // the first is real
    ASSERT_TRUE(write(disk, 3 * kObject, 512, 5).ok());  // before the first creation the cache is emptied
    ASSERT_TRUE(run(disk->flush()).ok());
    sheep().clearLog();
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(write(disk, static_cast<std::uint64_t>(i) * 4096, 4096, 5).ok());
    EXPECT_TRUE(reads(disk, 0, 12288, 5));
    EXPECT_EQ(flagsSeen(), std::set<int>{row.flag});
    EXPECT_EQ(flushes(), row.flushesOfThreeWrites);
    EXPECT_EQ(static_cast<bool>(stored("vm", 0, 12288, 5)), row.keptAfterWrite);
    const std::size_t before = flushes();
    ASSERT_TRUE(run(disk->flush()).ok());
    EXPECT_EQ(flushes() - before, row.guestFlushGoesOut ? 1U : 0U);
    EXPECT_EQ(static_cast<bool>(stored("vm", 0, 12288, 5)), row.keptAfterFlush);
    close(std::move(disk));
    EXPECT_TRUE(stored("vm", 0, 12288, 5)) << "giving the VDI back flushes in every mode";
  }
}

TEST_F(SheepdogCache, aPowerCutTakesWhatWasNotFlushedAndNothingElse) {
  beginWith(4 * kObject, setting(SheepEra::k09), true);
  DiskPtr disk = open("cache=writeback");
  ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
  ASSERT_TRUE(run(disk->flush()).ok());
  ASSERT_TRUE(write(disk, 0, 4096, 2).ok());
  ASSERT_TRUE(write(disk, kObject, 4096, 2).ok());
  sheep().powerCut();
  EXPECT_TRUE(stored("vm", 0, 4096, 1));
  EXPECT_TRUE(stored("vm", kObject, 4096, 0));
}

TEST_F(SheepdogCache, aDaemonWithoutACacheIsAskedToFlushOnce) {
  for (const SheepEra era : {SheepEra::k08, SheepEra::k10}) {
    beginWith(4 * kObject, setting(era));
    DiskPtr disk = open("cache=writeback");
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(write(disk, 0, 4096, i).ok());
      ASSERT_TRUE(run(disk->flush()).ok());
    }
    EXPECT_EQ(flushes(), 1U);
    sheep().clearLog();
    ASSERT_TRUE(write(disk, 0, 4096, 5).ok());
    EXPECT_EQ(flagsSeen(), std::set<int>{kFlagDirect}) << "there is nothing to cache in";
    const DiskDurability durability = run(graph_->durability(disk, std::chrono::seconds(5)));
    std::string notes;
    for (const NodeDurability& node : durability.nodes) notes += node.storage ? node.storage->note : "";
    EXPECT_NE(notes.find("it has no object cache"), std::string::npos) << notes;
    close(std::move(disk));
  }
}

TEST_F(SheepdogCache, durabilityTellsOfTheGatewayAndItsCache) {
  beginWith(4 * kObject, setting(SheepEra::k09), true);
  const DiskPtr disk = open("cache=writeback");
  const auto note = [&] {
    std::string notes;
    const DiskDurability durability = run(graph_->durability(disk, std::chrono::seconds(5)));
    for (const NodeDurability& node : durability.nodes) notes += node.storage ? node.storage->note : "";
    return notes;
  };
  EXPECT_NE(note().find("it may have an object cache"), std::string::npos) << note();
  ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
  ASSERT_TRUE(run(disk->flush()).ok());
  EXPECT_NE(note().find("it has an object cache"), std::string::npos) << note();
  EXPECT_NE(note().find("before 1.0"), std::string::npos) << note();
  EXPECT_NE(note().find("the cluster keeps 1 copies"), std::string::npos) << note();
}

TEST_F(SheepdogCache, writeBackIsSwitchedOffWithOneFlush) {
  beginWith(4 * kObject, setting(SheepEra::k09), true);
  const DiskPtr disk = open("cache=writeback");
  ASSERT_TRUE(run(disk->flush()).ok());
  ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
  sheep().clearLog();
  CacheRequest off;
  off.writeback = false;
  ASSERT_TRUE(run(graph_->setCache("d0", off, {})).ok());
  EXPECT_EQ(flushes(), 1U);
  EXPECT_TRUE(stored("vm", 0, 4096, 1));
  ASSERT_TRUE(write(disk, 0, 4096, 2).ok());
  EXPECT_EQ(flushes(), 2U);
  EXPECT_TRUE(stored("vm", 0, 4096, 2));
  CacheRequest on;
  on.writeback = true;
  ASSERT_TRUE(run(graph_->setCache("d0", on, {})).ok());
  sheep().clearLog();
  ASSERT_TRUE(write(disk, 0, 4096, 3).ok());
  EXPECT_EQ(flushes(), 0U);
}

TEST_F(SheepdogCache, directIsSwitchedWhileTheDiskIsInUse) {
  beginWith(4 * kObject, setting(SheepEra::k09), true);
  const DiskPtr disk = open("cache=writeback");
  ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
  CacheRequest none;
  none.mode = "none";
  const Result<CacheChange> changed = run(graph_->setCache("d0", none, {}));
  ASSERT_TRUE(changed.ok()) << changed.error().describe();
  EXPECT_TRUE(stored("vm", 0, 4096, 1));
  sheep().clearLog();
  ASSERT_TRUE(write(disk, 0, 4096, 2).ok());
  EXPECT_EQ(flagsSeen(), std::set<int>{kFlagDirect});
  EXPECT_TRUE(stored("vm", 0, 4096, 2));
  CacheRequest back;
  back.mode = "writeback";
  ASSERT_TRUE(run(graph_->setCache("d0", back, {})).ok());
  sheep().clearLog();
  ASSERT_TRUE(write(disk, 0, 4096, 3).ok());
  EXPECT_EQ(flagsSeen(), std::set<int>{kFlagCache});
}

TEST_F(SheepdogCache, aFailedFlushIsToldAndIsNotForgotten) {
  beginWith(4 * kObject, setting(SheepEra::k09), true);
  const DiskPtr disk = open("cache=writeback");
  ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
  sheep().add(SheepRule(Op::kFlushVdi, SheepRule::Action::kResult, 0x03));
  EXPECT_FALSE(run(disk->flush()).ok());
  EXPECT_FALSE(run(disk->flush()).ok()) << "what the failed one lost stays lost";
}

}  // namespace
}  // namespace rhea::block::test
