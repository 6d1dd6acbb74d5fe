// Changing direct and read-only of a file while requests run, through a second open file description.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/driver/file/file.h"
#include "block/driver/file/lock-holder.h"
#include "emu/io/fd-sets.h"
#include "qapi/types-block-options.h"
#include "tests/block/driver-harness.h"
#include "tests/lib/as-nobody.h"
#include "tests/lib/mounted.h"

namespace rhea::block {
namespace {

using test::DriverHarness;
using test::TempDir;

std::size_t openDescriptorsOf(const std::string& path) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(entry.path(), gone).string().starts_with(path)) ++count;
  }
  return count;
}

class FileReopen : public testing::Test {
 protected:
  void open(OpenFlags flags = {}, std::optional<qapi::BlockdevAioOptions> aio = std::nullopt) {
    qapi::BlockdevOptionsFile options;
    options.filename = path_;
    options.aio = aio;
    auto opened = node_.open(fileDriver(), options, flags);
    ASSERT_TRUE(opened.ok()) << opened.error().describe();
  }
  static OpenFlags with(bool direct, bool readOnly = false) {
    OpenFlags flags;
    flags.direct = direct;
    flags.readOnly = readOnly;
    return flags;
  }
  Task<Result<void>> reopen(ReopenRequest request) {
    auto prepared = co_await dynamic_cast<Reopener&>(node_.driver()).prepareReopen(std::move(request));
    if (!prepared.ok()) co_return prepared.takeError();
    (*prepared)->commit();
    co_await (*prepared)->settle();
    co_return success();
  }
  Result<void> reopenWith(OpenFlags flags) { return node_.loop().run(reopen(ReopenRequest(flags, std::nullopt))); }
  StorageFacts facts() { return *node_.loop().run(node_.ability<Informer>().storageFacts()); }

  TempDir dir_;
  std::string path_ = dir_.makeFile("a.raw", 4 << 20);
  DriverHarness node_;
};

TEST_F(FileReopen, DirectIsReallySetOnTheDescriptorAndTakenAwayAgain) {
  open();
  EXPECT_FALSE(facts().descriptors.at(0).direct);
  EXPECT_EQ(node_.driver().limits().requestAlignment, 1U);
  ASSERT_TRUE(reopenWith(with(true)).ok());
  EXPECT_TRUE(facts().descriptors.at(0).direct);
  EXPECT_EQ(facts().descriptors.size(), 1U);
  EXPECT_GE(node_.driver().limits().requestAlignment, 512U);
  EXPECT_EQ(facts().directPossible, true);
  EXPECT_GT(facts().directOffsetAlignment, 0U);
  ASSERT_TRUE(reopenWith(with(false)).ok());
  EXPECT_FALSE(facts().descriptors.at(0).direct);
  EXPECT_EQ(openDescriptorsOf(path_), 1U);
}

TEST_F(FileReopen, DataStaysWhateverTheModeWas) {
  open();
  for (int round = 0; round < 6; ++round) {
    ASSERT_TRUE(node_.write(static_cast<std::uint64_t>(round) * 8192, 8192, round + 1).ok());
    ASSERT_TRUE(reopenWith(with(round % 2 == 0)).ok());
    for (int before = 0; before <= round; ++before) {
      EXPECT_TRUE(node_.read(static_cast<std::uint64_t>(before) * 8192, 8192)->isAll(before + 1)) << round;
    }
  }
}

TEST_F(FileReopen, ARequestThatNoLongerFitsIsSentBack) {
  open(with(true));
  const auto refused = node_.write(100, 100, 1);
  ASSERT_FALSE(refused.ok());
  EXPECT_TRUE(isLimitsChanged(refused.error()));
  EXPECT_TRUE(isLimitsChanged(node_.read(1, 512).error()));
  ASSERT_TRUE(reopenWith(with(false)).ok());
  EXPECT_TRUE(node_.write(100, 100, 1).ok());
}

TEST_F(FileReopen, ItNeedsNeitherTheNameNorTheFolder) {
  open();
  ASSERT_TRUE(node_.write(0, 4096, 0x21).ok());
  std::filesystem::rename(path_, dir_.file("renamed"));
  ASSERT_TRUE(reopenWith(with(true)).ok());
  EXPECT_TRUE(node_.read(0, 4096)->isAll(0x21));
  std::filesystem::remove(dir_.file("renamed"));
  ASSERT_TRUE(reopenWith(with(false)).ok());
  EXPECT_TRUE(node_.read(0, 4096)->isAll(0x21));
  EXPECT_TRUE(node_.write(4096, 4096, 0x22).ok());
}

TEST_F(FileReopen, AnAbandonedReopenLeavesEverythingAsItWas) {
  open();
  const auto abandon = [](DriverHarness& node, OpenFlags flags) -> Task<Result<void>> {
    auto prepared = co_await node.ability<Reopener>().prepareReopen(ReopenRequest(flags, std::nullopt));
    if (!prepared.ok()) co_return prepared.takeError();
    co_await (*prepared)->settle();
    co_return success();
  };
  ASSERT_TRUE(node_.loop().run(abandon(node_, with(true))).ok());
  EXPECT_FALSE(facts().descriptors.at(0).direct);
  EXPECT_EQ(openDescriptorsOf(path_), 1U);
}

TEST_F(FileReopen, ARevertedReopenGoesBack) {
  open();
  const auto goAndReturn = [](DriverHarness& node, OpenFlags flags) -> Task<Result<void>> {
    auto prepared = co_await node.ability<Reopener>().prepareReopen(ReopenRequest(flags, std::nullopt));
    if (!prepared.ok()) co_return prepared.takeError();
    (*prepared)->commit();
    EXPECT_GE(node.driver().limits().requestAlignment, 512U);
    EXPECT_TRUE(node.driver().isReadOnly());
    (*prepared)->revert();
    EXPECT_EQ(node.driver().limits().requestAlignment, 1U);
    EXPECT_FALSE(node.driver().isReadOnly());
    co_await (*prepared)->settle();
    co_return success();
  };
  ASSERT_TRUE(node_.loop().run(goAndReturn(node_, with(true, true))).ok());
  EXPECT_TRUE(node_.write(1, 10, 1).ok());
  EXPECT_EQ(openDescriptorsOf(path_), 1U);
}

TEST_F(FileReopen, ReadOnlyAndBack) {
  open();
  ASSERT_TRUE(reopenWith(with(false, true)).ok());
  EXPECT_TRUE(node_.driver().isReadOnly());
  EXPECT_FALSE(facts().descriptors.at(0).writable);
  EXPECT_EQ(node_.write(0, 4096, 1).error().code(), EROFS);
  ASSERT_TRUE(reopenWith(with(false, false)).ok());
  EXPECT_TRUE(node_.write(0, 4096, 1).ok());
}

TEST_F(FileReopen, WritingThatIsNotPermittedIsRefusedAndReadingGoesOn) {
  chmod(dir_.path().c_str(), 0755);
  chmod(path_.c_str(), 0444);
  const rhea::test::AsNobody nobody;
  open(with(false, true));
  const auto refused = reopenWith(with(false, false));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), EACCES);
  EXPECT_NE(refused.error().message().find(path_), std::string::npos) << refused.error().message();
  EXPECT_TRUE(node_.driver().isReadOnly());
  EXPECT_TRUE(node_.read(0, 4096).ok());
}

TEST_F(FileReopen, LocksStayThroughAReopen) {
  open();
  auto& rights = node_.ability<RightsKeeper>();
  const Rights disk(Permissions::consistentRead() | Permissions::write() | Permissions::resize(),
                    Permissions::consistentRead());
  ASSERT_TRUE(node_.loop().run(rights.prepareRights(disk)).ok());
  const auto commit = [](RightsKeeper& keeper) -> Task<void> {
    keeper.commitRights();
    co_return;
  };
  node_.loop().run(commit(rights));
  const int stranger = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
  const LockSet writer(lockBit(LockBit::kWrite), 0);
  for (const bool direct : {true, false, true}) {
    EXPECT_TRUE(findConflict(stranger, writer)->has_value());
    const auto done = reopenWith(with(direct));
    ASSERT_TRUE(done.ok()) << done.error().describe();
    EXPECT_TRUE(findConflict(stranger, writer)->has_value());
    // More rights can be claimed: our own second descriptor was not taken for a stranger.
    const Rights more(disk.used | Permissions::writeUnchanged(), Permissions::none());
    const auto claimed = node_.loop().run(rights.prepareRights(more));
    ASSERT_TRUE(claimed.ok()) << claimed.error().describe();
    node_.loop().run(commit(rights));
  }
  ASSERT_TRUE(node_.loop().run(rights.prepareRights(Rights())).ok());
  node_.loop().run(commit(rights));
  EXPECT_FALSE(findConflict(stranger, writer)->has_value());
  EXPECT_TRUE(findHolders(stranger).empty());
  ::close(stranger);
}

TEST_F(FileReopen, AFileSystemWithoutDirectIoRefusesByNameAndNothingChanges) {
  const rhea::test::Mounted ramfs("ramfs", "");
  if (!ramfs.ok()) GTEST_SKIP() << ramfs.why();
  path_ = ramfs.dir().makeFile("a.raw", 65536);
  open();
  const auto refused = reopenWith(with(true));
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message().find(path_), std::string::npos) << refused.error().message();
  EXPECT_NE(refused.error().message().find("ramfs"), std::string::npos) << refused.error().message();
  EXPECT_NE(refused.error().message().find("O_DIRECT"), std::string::npos);
  EXPECT_TRUE(node_.write(1, 10, 1).ok());
  EXPECT_EQ(openDescriptorsOf(path_), 1U);
  node_.close();
  qapi::BlockdevOptionsFile options;
  options.filename = path_;
  EXPECT_FALSE(node_.open(fileDriver(), options, with(true)).ok());
}

TEST_F(FileReopen, NativeAioThatLeavesDirectGoesToThePoolAndSaysSo) {
  if (!probeFileEngine(FileEngineKind::kNative).ok()) GTEST_SKIP() << "no native AIO here";
  open(with(true), qapi::BlockdevAioOptions::native);
  EXPECT_EQ(facts().engine, "native");
  ASSERT_TRUE(reopenWith(with(false)).ok());
  EXPECT_EQ(facts().engine, "threads");
  EXPECT_NE(facts().note.find("aio=native"), std::string::npos);
  EXPECT_TRUE(node_.write(0, 4096, 1).ok());
  ASSERT_TRUE(reopenWith(with(true)).ok());
  EXPECT_EQ(facts().engine, "native");
}

TEST_F(FileReopen, FreshOpensAnewEvenWhereNothingChanges) {
  open();
  const int before = facts().descriptors.at(0).fd;
  ReopenRequest request(with(false), std::nullopt);
  request.fresh = true;
  ASSERT_TRUE(node_.loop().run(reopen(request)).ok());
  EXPECT_NE(facts().descriptors.at(0).fd, before);
  ASSERT_TRUE(reopenWith(with(false)).ok());
  EXPECT_EQ(openDescriptorsOf(path_), 1U);
}

TEST_F(FileReopen, AnotherFileNameIsRefused) {
  open();
  qapi::BlockdevOptionsFile other;
  other.filename = dir_.makeFile("b.raw", 4096);
  const auto refused = node_.loop().run(reopen(ReopenRequest(with(false), DriverOptions::of(other))));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().whereText(), "filename");
}

TEST_F(FileReopen, ADescriptorSetGivesTheMemberThatFits) {
  FdSets sets;
  node_.services().provide(sets);
  Fd plain(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
  Fd direct(::open(path_.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC));
  ASSERT_TRUE(sets.add(7, std::move(plain), std::nullopt).ok());
  ASSERT_TRUE(sets.add(7, std::move(direct), std::nullopt).ok());
  chmod(dir_.path().c_str(), 0755);
  chmod(path_.c_str(), 0000);
  path_ = "/dev/fdset/7";
  // Nobody may open the file any more: only the members can be used.
  const rhea::test::AsNobody nobody;
  open();
  ASSERT_TRUE(node_.write(0, 4096, 0x44).ok());
  EXPECT_FALSE(facts().descriptors.at(0).direct);
  auto done = reopenWith(with(true));
  ASSERT_TRUE(done.ok()) << done.error().describe();
  EXPECT_TRUE(facts().descriptors.at(0).direct);
  EXPECT_TRUE(node_.read(0, 4096)->isAll(0x44));
  ASSERT_TRUE(reopenWith(with(false)).ok());
  EXPECT_FALSE(facts().descriptors.at(0).direct);
}

TEST_F(FileReopen, ASetWithoutAFittingMemberSaysWhichIsMissing) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to give up its rights";
  FdSets sets;
  node_.services().provide(sets);
  ASSERT_TRUE(sets.add(7, Fd(::open(path_.c_str(), O_RDWR | O_CLOEXEC)), std::nullopt).ok());
  chmod(dir_.path().c_str(), 0755);
  chmod(path_.c_str(), 0000);
  path_ = "/dev/fdset/7";
  const rhea::test::AsNobody nobody;
  open();
  const auto refused = reopenWith(with(true));
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().hintText().find("add-fd"), std::string::npos) << refused.error().describe();
  EXPECT_TRUE(node_.write(0, 4096, 1).ok());
}

// --- under load: two I/O threads write and read while the mode goes back and forth

Task<void> hammer(Driver& driver, std::uint64_t base, const std::atomic<bool>& stop, std::atomic<std::uint64_t>& done) {
  DriverHarness::Buffer out(8192);
  DriverHarness::Buffer in(8192);
  int value = 1;
  while (!stop) {
    value = value % 255 + 1;
    std::memset(out.memory.get(), value, 8192);
    for (const WriteFlags how : {WriteFlags(), WriteFlags::stable()}) {
      const auto wrote = co_await driver.write(Extent(base, 8192), out.view(), how);
      EXPECT_TRUE(wrote.ok() || wrote.error().code() == EOPNOTSUPP);
    }
    const auto read = co_await driver.read(Extent(base, 8192), in.view());
    EXPECT_TRUE(read.ok());
    EXPECT_TRUE(in.isAll(value));
    done.fetch_add(1);
  }
}

TEST_F(FileReopen, UnderLoadFromSeveralLoopsNothingIsLostAndOldDescriptorsClose) {
  open();
  {
    test::LoopThread one(node_.loop().workers(), "io1");
    test::LoopThread two(node_.loop().workers(), "io2");
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> done{0};
    std::atomic<int> ended{0};
    const auto worker = [&](std::uint64_t base) -> Task<void> {
      co_await hammer(node_.driver(), base, stop, done);
      ended.fetch_add(1);
    };
    for (std::uint64_t i = 0; i < 4; ++i) (i % 2 == 0 ? one : two).loop().spawn(worker(i * 65536));
    for (int round = 0; round < 40; ++round) {
      const auto changed = reopenWith(with(round % 2 == 0));
      ASSERT_TRUE(changed.ok()) << changed.error().describe();
    }
    stop = true;
    while (ended < 4) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_GT(done.load(), 0U);
  }
  EXPECT_EQ(openDescriptorsOf(path_), 1U);
}

// Neighbouring sectors, so that all of them lie in one folio of the page cache; the kernel tells a collision at the
// next fdatasync, as EIO.
Task<void> hammerOneFolio(Driver& driver, std::uint64_t at, const std::atomic<bool>& stop, std::atomic<int>& ended) {
  DriverHarness::Buffer out(512, 1);
  for (int i = 0; !stop; ++i) {
    const auto wrote = co_await driver.write(Extent(at, 512), out.view(), WriteFlags());
    EXPECT_TRUE(wrote.ok()) << wrote.error().describe();
    if (i % 8 != 0) continue;
    const auto flushed = co_await driver.flush(FlushTo::kStable);
    EXPECT_TRUE(flushed.ok()) << flushed.error().describe();
    if (!flushed.ok()) break;
  }
  ended.fetch_add(1);
}

TEST_F(FileReopen, WritesOfBothKindsNeverMeetInThePageCache) {
  open();
  if (!reopenWith(with(true)).ok() || node_.driver().limits().requestAlignment > 512) {
    GTEST_SKIP() << "no direct I/O of sectors here";
  }
  constexpr int kWorkers = 16;
  std::atomic<bool> stop{false};
  std::atomic<int> ended{0};
  for (int i = 0; i < kWorkers; ++i) {
    node_.loop().loop().spawn(hammerOneFolio(node_.driver(), static_cast<std::uint64_t>(i) * 512, stop, ended));
  }
  for (int round = 0; round < 150; ++round) {
    const auto changed = reopenWith(with(round % 2 != 0));
    EXPECT_TRUE(changed.ok()) << changed.error().describe();
  }
  stop = true;
  const auto allEnded = [&]() -> Task<void> {
    while (ended < kWorkers) static_cast<void>(co_await Loop::current()->sleep(std::chrono::milliseconds(1)));
  };
  node_.loop().run(allEnded());
}

}  // namespace
}  // namespace rhea::block
