// What the file driver does when the host fails or stops answering.
#include <fcntl.h>
#include <unistd.h>

#include "block/driver/file/create.h"
#include "block/driver/file/file.h"
#include "qapi/types-block-options.h"
#include "tests/block/driver-harness.h"
#include "tests/lib/frozen-fs.h"
#include "tests/lib/mounted.h"

namespace rhea::block {
namespace {

using rhea::test::FrozenFs;
using test::DriverHarness;

qapi::BlockdevOptionsFile threadsOn(const std::string& path) {
  qapi::BlockdevOptionsFile options;
  options.filename = path;
  options.aio = qapi::BlockdevAioOptions::threads;
  return options;
}

class FileOnFailingHost : public testing::Test {
 protected:
  void SetUp() override {
    if (!host_.ok()) GTEST_SKIP() << host_.why();
  }
  Task<Result<void>> reopenDirect(bool direct) {
    OpenFlags flags;
    flags.direct = direct;
    auto prepared = co_await node_.ability<Reopener>().prepareReopen(ReopenRequest(flags, std::nullopt));
    if (!prepared.ok()) co_return prepared.takeError();
    (*prepared)->commit();
    co_await (*prepared)->settle();
    co_return success();
  }

  FrozenFs host_;
  DriverHarness node_;
};

TEST_F(FileOnFailingHost, AnErrorOfFdatasyncReachesTheFlush) {
  ASSERT_TRUE(node_.open(fileDriver(), threadsOn(host_.makeFile("a.raw", 65536))).ok());
  ASSERT_TRUE(node_.write(0, 4096, 1).ok());
  host_.fail(FrozenFs::kSync, EIO);
  const auto failed = node_.flush();
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code(), EIO);
  host_.fail(FrozenFs::kSync, 0);
}

TEST_F(FileOnFailingHost, AFailedWriteBackRefusesDirectAndStaysForTheFlush) {
  ASSERT_TRUE(node_.open(fileDriver(), threadsOn(host_.makeFile("a.raw", 65536))).ok());
  ASSERT_TRUE(node_.write(0, 4096, 1).ok());
  host_.fail(FrozenFs::kSync, EIO);
  const auto refused = node_.loop().run(reopenDirect(true));
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message().find("a.raw"), std::string::npos);
  EXPECT_EQ(node_.driver().limits().requestAlignment, 1U);
  EXPECT_FALSE(node_.flush().ok());
  host_.fail(FrozenFs::kSync, 0);
  EXPECT_TRUE(node_.write(1, 10, 1).ok());
}

TEST_F(FileOnFailingHost, AFailureOfTheFirstDirectRequestsSyncIsToldByTheNextFlush) {
  ASSERT_TRUE(node_.open(fileDriver(), threadsOn(host_.makeFile("a.raw", 65536))).ok());
  ASSERT_TRUE(node_.write(0, 4096, 1).ok());
  ASSERT_TRUE(node_.loop().run(reopenDirect(true)).ok());
  host_.fail(FrozenFs::kSync, EIO);
  EXPECT_EQ(node_.write(0, 4096, 2).error().code(), EIO);
  host_.fail(FrozenFs::kSync, 0);
  const auto flushed = node_.flush();
  ASSERT_FALSE(flushed.ok()) << "the kernel says a write error once; it must not be lost";
  EXPECT_EQ(flushed.error().code(), EIO);
  EXPECT_TRUE(node_.write(0, 4096, 3).ok());
}

TEST_F(FileOnFailingHost, AWriteThatIsHeldDoesNotStopTheLoop) {
  ASSERT_TRUE(node_.open(fileDriver(), threadsOn(host_.makeFile("a.raw", 65536))).ok());
  host_.freeze(FrozenFs::kWrite);
  const auto both = [](DriverHarness& node, FrozenFs& host) -> Task<void> {
    TaskGroup group;
    const auto held = [](Driver& driver) -> Task<void> {
      DriverHarness::Buffer buffer(4096, 9);
      const auto done = co_await driver.write(Extent(0, 4096), buffer.view(), WriteFlags());
      EXPECT_TRUE(done.ok());
    };
    group.spawn(held(node.driver()));
    while (host.held() == 0) static_cast<void>(co_await Loop::current()->sleep(std::chrono::milliseconds(1)));
    const auto begin = Clock::now();
    static_cast<void>(co_await Loop::current()->sleep(std::chrono::milliseconds(1)));
    EXPECT_LT(Clock::now() - begin, std::chrono::milliseconds(200));
    EXPECT_EQ(group.running(), 1U);
    host.thaw();
    co_await group.join();
  };
  node_.loop().run(both(node_, host_));
}

TEST_F(FileOnFailingHost, AnOpenThatHangsHangsAlone) {
  const std::string path = host_.makeFile("a.raw", 65536);
  host_.freeze();
  const auto both = [&]() -> Task<void> {
    TaskGroup group;
    std::unique_ptr<Driver> opened;
    const auto opening = [](DriverHarness& node, ThrottleGroups& groups, const std::string& name,
                            std::unique_ptr<Driver>& into) -> Task<void> {
      OpenContext context(node.loop().loop(), node.services(), groups);
      auto done = co_await fileDriver().open(std::move(context), DriverOptions::of(threadsOn(name)), Children());
      EXPECT_TRUE(done.ok());
      if (done.ok()) into = std::move(*done);
    };
    ThrottleGroups groups(node_.loop().loop());
    group.spawn(opening(node_, groups, path, opened));
    while (host_.held() == 0) static_cast<void>(co_await Loop::current()->sleep(std::chrono::milliseconds(1)));
    EXPECT_EQ(group.running(), 1U);
    host_.thaw();
    co_await group.join();
    // Closing hangs off the loop too.
    host_.freeze(FrozenFs::kClose);
    group.spawn(opened->close());
    while (host_.held() == 0) static_cast<void>(co_await Loop::current()->sleep(std::chrono::milliseconds(1)));
    EXPECT_EQ(group.running(), 1U);
    host_.thaw();
    co_await group.join();
  };
  node_.loop().run(both());
}

TEST(FileOnFullDisk, NoSpaceIsAnErrorOfTheWriteAndTheRestGoesOn) {
  const rhea::test::Mounted disk("tmpfs", "size=1m");
  if (!disk.ok()) GTEST_SKIP() << disk.why();
  DriverHarness node;
  ASSERT_TRUE(node.open(fileDriver(), threadsOn(disk.dir().makeFile("a.raw", 4 << 20))).ok());
  ASSERT_TRUE(node.write(0, 524288, 1).ok());
  const auto full = node.write(1 << 20, 1 << 20, 2);
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code(), ENOSPC);
  EXPECT_TRUE(node.read(0, 524288)->isAll(1));
  ASSERT_TRUE(node.loop().run(node.ability<Discards>().discard(Extent(0, 4 << 20), {})).ok());
  EXPECT_TRUE(node.write(0, 4096, 3).ok());
}

}  // namespace
}  // namespace rhea::block
