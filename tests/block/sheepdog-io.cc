// Reads, writes and the index of a sheepdog disk, against the double.
#include <random>

#include "tests/block/sheepdog-support.h"
#include "tests/lib/temp-dir.h"

namespace rhea::block::test {
namespace {

using testing::Test;

class SheepdogIo : public SheepdogTest {};

TEST_F(SheepdogIo, whatIsWrittenIsRead) {
  beginWith(8 * kObject);
  const DiskPtr disk = open();
  EXPECT_EQ(disk->length(), 8 * kObject);
  EXPECT_TRUE(write(disk, 0, 4096, 0x11).ok());
  EXPECT_TRUE(write(disk, 2 * kObject + 512, 65536, 0x22).ok());
  EXPECT_TRUE(reads(disk, 0, 4096, 0x11));
  EXPECT_TRUE(reads(disk, 4096, 65536, 0));
  EXPECT_TRUE(reads(disk, 2 * kObject + 512, 65536, 0x22));
  EXPECT_TRUE(reads(disk, 5 * kObject, 4096, 0));
}

TEST_F(SheepdogIo, anObjectComesBeforeTheSlotThatNamesIt) {
  beginWith(8 * kObject);
  const DiskPtr disk = open();
  sheep().clearLog();
  ASSERT_TRUE(write(disk, kObject, 4096, 1).ok());
  ASSERT_TRUE(write(disk, kObject + 4096, 4096, 2).ok());
  const std::vector<std::string> expected = {"CREATE_AND_WRITE_OBJ", "WRITE_OBJ", "WRITE_OBJ"};
  EXPECT_EQ(wordsOf(sheep().log()), expected);
  const std::vector<SheepSeen> log = sheep().log();
  EXPECT_EQ(log[1].request.oid(), sheepdog::inodeObject(driver(disk).volume().vdi()));
  EXPECT_EQ(log[1].request.offset(), sheepdog::kIndexOffset + 4);
  EXPECT_EQ(log[1].payloadBytes, 4U);
}

TEST_F(SheepdogIo, whatWasNeverWrittenCostsNoRequest) {
  beginWith(8 * kObject);
  const DiskPtr disk = open();
  sheep().clearLog();
  EXPECT_TRUE(reads(disk, kObject - 4096, 8192, 0));
  EXPECT_TRUE(sheep().log().empty());
}

TEST_F(SheepdogIo, aWriteAcrossObjectsMakesBoth) {
  beginWith(8 * kObject);
  const DiskPtr disk = open();
  ASSERT_TRUE(write(disk, kObject - 4096, 8192, 7).ok());
  EXPECT_TRUE(reads(disk, kObject - 4096, 8192, 7));
  EXPECT_TRUE(reads(disk, kObject - 8192, 4096, 0));
  EXPECT_EQ(sheep().seen(Op::kCreate), 2U);
}

TEST_F(SheepdogIo, whatSpansObjectsGoesToAllOfThemAtOnce) {
  beginWith(8 * kObject);
  const DiskPtr disk = open();
  SheepRule hold(Op::kCreate, SheepRule::Action::kHold);
  hold.count = -1;
  sheep().add(hold);
  const std::vector<std::byte> data(2 * kObject + 8192, std::byte{7});
  const IoVector view{std::span<const std::byte>(data)};
  const auto written = start(disk->write(Extent(kObject - 4096, data.size()), view));
  until([&] { return sheep().held() == 4; });
  sheep().release(true);
  until([&] { return written->has_value(); });
  EXPECT_TRUE((*written)->ok());
  // The slots go out together when all objects are there.
  const std::vector<std::string> expected = {"CREATE_AND_WRITE_OBJ", "CREATE_AND_WRITE_OBJ", "CREATE_AND_WRITE_OBJ",
                                             "CREATE_AND_WRITE_OBJ", "WRITE_OBJ"};
  std::vector<std::string> words = wordsOf(sheep().log());
  words.erase(words.begin(), words.end() - static_cast<std::ptrdiff_t>(expected.size()));
  EXPECT_EQ(words, expected);
  EXPECT_EQ(sheep().log().back().payloadBytes, 16U);
  hold.op = Op::kRead;
  sheep().add(hold);
  std::vector<std::byte> seen(data.size());
  const IoVector room{std::span<std::byte>(seen)};
  const auto read = start(disk->read(Extent(kObject - 4096, seen.size()), room));
  until([&] { return sheep().held() == 4; });
  sheep().clearRules();
  sheep().release(true);
  until([&] { return read->has_value(); });
  EXPECT_TRUE((*read)->ok());
  EXPECT_EQ(seen, data);
  EXPECT_TRUE(stored("vm", kObject - 4096, data.size(), 7));
}

TEST_F(SheepdogIo, writesOverObjectsThatOverlapLeaveTheLastOne) {
  beginWith(4 * kObject, SheepSetting(), false, true);
  const DiskPtr disk = open();
  std::vector<std::vector<std::byte>> data;
  std::vector<std::shared_ptr<std::optional<Result<void>>>> outcomes;
  for (int i = 0; i < 30; ++i) data.emplace_back(16384, std::byte(i + 1));
  for (std::size_t i = 0; i < data.size(); ++i) {
    const IoVector view{std::span<const std::byte>(data[i])};
    outcomes.push_back(start(disk->write(Extent((i % 3 + 1) * kObject - 8192, data[i].size()), view)));
  }
  until([&] { return std::all_of(outcomes.begin(), outcomes.end(), [](const auto& o) { return o->has_value(); }); });
  for (const auto& outcome : outcomes) EXPECT_TRUE((*outcome)->ok());
  for (int i = 0; i < 3; ++i) {
    const std::uint64_t at = (static_cast<std::uint64_t>(i) + 1) * kObject - 8192;
    EXPECT_TRUE(reads(disk, at, 16384, 28 + i));
    EXPECT_TRUE(stored("vm", at, 16384, 28 + i));
  }
  EXPECT_EQ(sheep().seen(Op::kCreate), 4U);
}

TEST_F(SheepdogIo, oneObjectThatFailsFailsTheWholeRequestAndNoOther) {
  beginWith(4 * kObject);
  const DiskPtr disk = open();
  SheepRule rule(Op::kCreate, SheepRule::Action::kResult, 0x15);
  rule.oid = sheepdog::dataObject(driver(disk).volume().vdi(), 1);
  sheep().add(rule);
  const Result<void> refused = write(disk, kObject / 2, 2 * kObject, 1);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ENOSPC);
  ASSERT_TRUE(write(disk, kObject / 2, 2 * kObject, 2).ok());
  EXPECT_TRUE(reads(disk, kObject / 2, 2 * kObject, 2));
  ASSERT_TRUE(run(disk->flush()).ok());
  EXPECT_TRUE(stored("vm", kObject / 2, 2 * kObject, 2));
}

TEST_F(SheepdogIo, writesThatAreNotWholeSectorsKeepTheirNeighbours) {
  beginWith(2 * kObject);
  const DiskPtr disk = open();
  ASSERT_TRUE(write(disk, 0, 4096, 3).ok());
  ASSERT_TRUE(write(disk, 100, 50, 4).ok());
  EXPECT_TRUE(reads(disk, 0, 100, 3));
  EXPECT_TRUE(reads(disk, 100, 50, 4));
  EXPECT_TRUE(reads(disk, 150, 1000, 3));
}

TEST_F(SheepdogIo, aDiskMayEndWithinAnObject) {
  beginWith(kObject + 10240);
  const DiskPtr disk = open();
  ASSERT_TRUE(write(disk, kObject + 10240 - 512, 512, 9).ok());
  EXPECT_TRUE(reads(disk, kObject + 10240 - 512, 512, 9));
  EXPECT_FALSE(write(disk, kObject + 10240, 512, 9).ok());
}

TEST_F(SheepdogIo, anObjectOfAnAncestorIsCopiedWhenItIsWritten) {
  beginWith(4 * kObject);
  {
    const DiskPtr disk = open();
    ASSERT_TRUE(write(disk, 0, 8192, 1).ok());
    close(disk);
  }
  {
    const std::lock_guard lock(cluster().guard);
    ASSERT_NE(cluster().takeSnapshot("vm", "before"), 0U);
  }
  const DiskPtr disk = open();
  sheep().clearLog();
  EXPECT_TRUE(reads(disk, 0, 8192, 1));
  ASSERT_TRUE(write(disk, 0, 4096, 2).ok());
  EXPECT_TRUE(reads(disk, 0, 4096, 2));
  EXPECT_TRUE(reads(disk, 4096, 4096, 1));
  const std::vector<SheepSeen> log = sheep().log();
  const auto made = std::find_if(log.begin(), log.end(), [](const SheepSeen& s) { return s.request.op == 1; });
  ASSERT_NE(made, log.end());
  EXPECT_NE(made->request.flags & sheepdog::kFlagCow, 0);
  EXPECT_EQ(made->request.cowOid(), sheepdog::dataObject(driver(disk).volume().inode().parent, 0));
  close(disk);
  Result<DiskPtr> snapshot = tryOpen("read-only=on", "vm#before");
  ASSERT_TRUE(snapshot.ok()) << snapshot.error().describe();
  EXPECT_TRUE(reads(*snapshot, 0, 8192, 1));
}

// Depth many at a time on few objects, which are being made, in any order: each byte has one writer, whose mark it has
// in the end. The double tells of requests that overlap.
TEST_F(SheepdogIo, manyWritersShareObjectsThatAreBeingMade) {
  beginWith(4 * kObject, SheepSetting(), false, true);
  const DiskPtr disk = open();
  constexpr std::size_t kBlock = 4096;
  constexpr int kBlocks = 128;
  std::vector<std::vector<std::byte>> data;
  std::vector<std::shared_ptr<std::optional<Result<void>>>> outcomes;
  for (int i = 0; i < kBlocks; ++i) data.emplace_back(kBlock, std::byte(i + 1));
  for (int i = 0; i < kBlocks; ++i) {
    const std::uint64_t at = static_cast<std::uint64_t>(i % 4) * kObject + static_cast<std::uint64_t>(i / 4) * kBlock;
    const IoVector view{std::span<const std::byte>(data[static_cast<std::size_t>(i)])};
    outcomes.push_back(start(disk->write(Extent(at, kBlock), view)));
  }
  until([&] { return std::all_of(outcomes.begin(), outcomes.end(), [](const auto& o) { return o->has_value(); }); });
  for (const auto& outcome : outcomes) EXPECT_TRUE((*outcome)->ok());
  for (int i = 0; i < kBlocks; ++i) {
    const std::uint64_t at = static_cast<std::uint64_t>(i % 4) * kObject + static_cast<std::uint64_t>(i / 4) * kBlock;
    EXPECT_TRUE(reads(disk, at, kBlock, i + 1)) << i;
  }
  EXPECT_EQ(sheep().seen(Op::kCreate), 4U);
}

TEST_F(SheepdogIo, writesThatOverlapGoOneAfterAnother) {
  beginWith(kObject, SheepSetting(), false, true);
  const DiskPtr disk = open();
  ASSERT_TRUE(write(disk, 0, 65536, 0).ok());
  std::vector<std::vector<std::byte>> data;
  std::vector<std::shared_ptr<std::optional<Result<void>>>> outcomes;
  for (int i = 0; i < 40; ++i) data.emplace_back(8192, std::byte(i + 1));
  for (std::size_t i = 0; i < data.size(); ++i) {
    const IoVector view{std::span<const std::byte>(data[i])};
    outcomes.push_back(start(disk->write(Extent(i % 8 * 4096, 8192), view)));
  }
  until([&] { return std::all_of(outcomes.begin(), outcomes.end(), [](const auto& o) { return o->has_value(); }); });
  for (const auto& outcome : outcomes) EXPECT_TRUE((*outcome)->ok());
  // The last to come to each place wins.
  EXPECT_TRUE(reads(disk, 7 * 4096, 8192, 40));
}

// A reference in memory beside it: random writes, zeroes, discards and reads, in any order at the double.
TEST_F(SheepdogIo, aLongMixedLoadLeavesWhatAPlainArrayWould) {
  for (const SheepEra era : {SheepEra::k08, SheepEra::k09, SheepEra::k10}) {
    SheepSetting setting;
    setting.era = era;
    constexpr std::uint64_t kLength = 6 * kObject + 65536;
    beginWith(kLength, setting, era == SheepEra::k09, true);
    const DiskPtr disk = open("discard=unmap");
    std::vector<std::byte> plain(kLength);
    std::mt19937 random(7);
    for (int i = 0; i < 300; ++i) {
      const std::uint64_t at = random() % (kLength / 512) * 512;
      const std::uint64_t length = std::min<std::uint64_t>(kLength - at, (random() % 64 + 1) * 512);
      const auto fill = static_cast<std::byte>(random());
      const auto place = plain.begin() + static_cast<std::ptrdiff_t>(at);
      switch (random() % 8) {
        case 0: {
          const std::uint64_t object = at / kObject * kObject;
          const std::uint64_t whole = std::min(kObject, kLength - object);
          ASSERT_TRUE(run(disk->writeZeroes(Extent(object, whole), WriteFlags::mayUnmap())).ok());
          std::fill_n(plain.begin() + static_cast<std::ptrdiff_t>(object), whole, std::byte{0});
          break;
        }
        case 1:
          ASSERT_TRUE(run(disk->writeZeroes(Extent(at, length), WriteFlags())).ok());
          std::fill_n(place, length, std::byte{0});
          break;
        default:
          ASSERT_TRUE(write(disk, at, length, std::to_integer<int>(fill)).ok());
          std::fill_n(place, length, fill);
      }
    }
    std::vector<std::byte> seen(kLength);
    for (std::uint64_t at = 0; at < kLength; at += 65536) {
      const IoVector room{std::span<std::byte>(seen).subspan(at, 65536)};
      ASSERT_TRUE(run(disk->read(Extent(at, 65536), room)).ok());
    }
    EXPECT_EQ(seen, plain);
    ASSERT_TRUE(run(disk->flush()).ok());
    {
      const std::lock_guard lock(cluster().guard);
      EXPECT_EQ(cluster().stored(cluster().lookUp("vm"), 0, kLength), plain);
    }
    close(disk);
  }
}

TEST_F(SheepdogIo, anObjectThatIsMissingIsAnErrorAndNeverZeroes) {
  beginWith(kObject);
  const DiskPtr disk = open();
  ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
  {
    const std::lock_guard lock(cluster().guard);
    cluster().store.erase(sheepdog::dataObject(cluster().lookUp("vm"), 0));
  }
  const testing::AssertionResult read = reads(disk, 0, 4096, 0);
  EXPECT_FALSE(read);
  EXPECT_FALSE(write(disk, 4096, 4096, 1).ok());
}

TEST_F(SheepdogIo, aFullClusterIsNoSpace) {
  beginWith(kObject);
  const DiskPtr disk = open();
  sheep().add(SheepRule(Op::kCreate, SheepRule::Action::kResult, 0x15));
  const Result<void> refused = write(disk, 0, 4096, 1);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ENOSPC);
  EXPECT_TRUE(write(disk, 0, 4096, 1).ok());
  EXPECT_TRUE(reads(disk, 0, 4096, 1));
}

TEST_F(SheepdogIo, aSlotThatCouldNotBeWrittenIsWrittenByTheNextFlush) {
  beginWith(kObject);
  const DiskPtr disk = open();
  SheepRule rule(Op::kWrite, SheepRule::Action::kResult, 0x15);
  rule.oidBits = sheepdog::kInodeBit;
  sheep().add(rule);
  EXPECT_FALSE(write(disk, 0, 4096, 1).ok());
  ASSERT_TRUE(run(disk->flush()).ok());
  EXPECT_TRUE(stored("vm", 0, 4096, 1));
}

Task<Result<void>> noted(Task<Result<void>> work, std::vector<int>* order, int which) {
  Result<void> outcome = co_await std::move(work);
  order->push_back(which);
  co_return outcome;
}

TEST_F(SheepdogIo, aRequestThatTakesLongIsOvertaken) {
  beginWith(kObject);
  const DiskPtr disk = open();
  ASSERT_TRUE(write(disk, 0, 8192, 1).ok());
  SheepRule late(Op::kRead, SheepRule::Action::kLate, 20000);
  late.dataOnly = true;
  sheep().add(late);
  std::vector<std::byte> seen(8192);
  const IoVector first{std::span<std::byte>(seen).first(4096)};
  const IoVector second{std::span<std::byte>(seen).last(4096)};
  std::vector<int> order;
  const auto slow = start(noted(disk->read(Extent(0, 4096), first), &order, 1));
  const auto fast = start(noted(disk->read(Extent(4096, 4096), second), &order, 2));
  until([&] { return slow->has_value() && fast->has_value(); });
  EXPECT_TRUE((*slow)->ok());
  EXPECT_TRUE((*fast)->ok());
  EXPECT_EQ(order, (std::vector<int>{2, 1}));
  EXPECT_EQ(seen, std::vector<std::byte>(8192, std::byte{1}));
}

TEST_F(SheepdogIo, aClusterThatIsChangingIsAskedAgain) {
  beginWith(kObject);
  const DiskPtr disk = open();
  sheep().add(SheepRule(Op::kCreate, SheepRule::Action::kResult, 0x8f));
  ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
  sheep().add(SheepRule(Op::kRead, SheepRule::Action::kResult, 0x81));
  EXPECT_TRUE(reads(disk, 0, 4096, 1));
}

TEST_F(SheepdogIo, statusTellsObjectsFromHoles) {
  beginWith(4 * kObject);
  const DiskPtr disk = open();
  ASSERT_TRUE(write(disk, kObject, 4096, 1).ok());
  ASSERT_TRUE(write(disk, 2 * kObject, 4096, 1).ok());
  const Result<BlockStatus> hole = run(driver(disk).status(Extent(0, 4 * kObject), true));
  ASSERT_TRUE(hole.ok());
  EXPECT_EQ(hole->length, kObject);
  EXPECT_TRUE(hole->zero);
  EXPECT_FALSE(hole->data);
  const Result<BlockStatus> data = run(driver(disk).status(Extent(kObject + 512, 3 * kObject - 512), true));
  ASSERT_TRUE(data.ok());
  EXPECT_EQ(data->length, 2 * kObject - 512);
  EXPECT_TRUE(data->data);
}

TEST_F(SheepdogIo, aLocalSocketWorksAsWell) {
  const rhea::test::TempDir folder;
  SheepdogDouble::Options options;
  options.unixPath = folder.file("sock");
  begin(SheepSetting(), options);
  makeVdi("vm", kObject);
  const DiskPtr disk = open();
  ASSERT_TRUE(write(disk, 0, 4096, 1).ok());
  EXPECT_TRUE(reads(disk, 0, 4096, 1));
  close(disk);
}

}  // namespace
}  // namespace rhea::block::test
