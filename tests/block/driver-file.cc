// The file driver: data, space, sizes and errors, on every engine.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "block/driver/file/file.h"
#include "qapi/types-block-options.h"
#include "tests/block/driver-harness.h"
#include "tests/lib/as-nobody.h"

namespace rhea::block {
namespace {

using test::DriverHarness;
using test::TempDir;
using Buffer = DriverHarness::Buffer;

qapi::BlockdevOptionsFile fileOptions(const std::string& path) {
  qapi::BlockdevOptionsFile options;
  options.filename = path;
  return options;
}

OpenFlags directFlags() {
  OpenFlags flags;
  flags.direct = true;
  return flags;
}

struct Way {
  const char* name;
  qapi::BlockdevAioOptions aio;
  FileEngineKind kind;
  bool direct;
};

class FileOnEveryEngine : public testing::TestWithParam<Way> {
 protected:
  void SetUp() override {
    if (auto works = probeFileEngine(GetParam().kind); !works.ok()) GTEST_SKIP() << works.error().message();
  }
  qapi::BlockdevOptionsFile options(const std::string& path) const {
    auto made = fileOptions(path);
    made.aio = GetParam().aio;
    return made;
  }
  OpenFlags flags() const { return GetParam().direct ? directFlags() : OpenFlags(); }
};

INSTANTIATE_TEST_SUITE_P(
    Ways, FileOnEveryEngine,
    testing::Values(Way{"threads", qapi::BlockdevAioOptions::threads, FileEngineKind::kThreads, false},
                    Way{"threadsDirect", qapi::BlockdevAioOptions::threads, FileEngineKind::kThreads, true},
                    Way{"uring", qapi::BlockdevAioOptions::ioUring, FileEngineKind::kUring, false},
                    Way{"uringDirect", qapi::BlockdevAioOptions::ioUring, FileEngineKind::kUring, true},
                    Way{"nativeDirect", qapi::BlockdevAioOptions::native, FileEngineKind::kNative, true}),
    [](const auto& way) { return std::string(way.param.name); });

TEST_P(FileOnEveryEngine, GivesBackWhatWasWritten) {
  const TempDir dir;
  DriverHarness node;
  auto opened = node.open(fileDriver(), options(dir.makeFile("a.raw", 1 << 20)), flags());
  ASSERT_TRUE(opened.ok()) << opened.error().describe();
  EXPECT_EQ(node.driver().length(), 1U << 20);
  ASSERT_TRUE(node.write(8192, 4096, 0x5A).ok());
  ASSERT_TRUE(node.flush().ok());
  auto data = node.read(4096, 12288);
  ASSERT_TRUE(data.ok());
  EXPECT_EQ(data->at(4095), std::byte{0});
  EXPECT_EQ(data->at(4096), std::byte{0x5A});
  EXPECT_EQ(data->at(8191), std::byte{0x5A});
  EXPECT_EQ(data->at(8192), std::byte{0});
}

TEST_P(FileOnEveryEngine, WritesFromManyPieces) {
  const TempDir dir;
  DriverHarness node;
  ASSERT_TRUE(node.open(fileDriver(), options(dir.makeFile("a.raw", 1 << 20)), flags()).ok());
  Buffer one(4096, 1);
  Buffer two(8192, 2);
  Buffer three(4096, 3);
  const std::array<iovec, 3> pieces = {iovec{one.memory.get(), 4096}, iovec{two.memory.get(), 8192},
                                       iovec{three.memory.get(), 4096}};
  ASSERT_TRUE(node.loop().run(node.driver().write(Extent(0, 16384), IoVector(pieces), {})).ok());
  auto data = node.read(0, 16384);
  ASSERT_TRUE(data.ok());
  EXPECT_EQ(data->at(4095), std::byte{1});
  EXPECT_EQ(data->at(4096), std::byte{2});
  EXPECT_EQ(data->at(12287), std::byte{2});
  EXPECT_EQ(data->at(12288), std::byte{3});
}

TEST_P(FileOnEveryEngine, StableWritesAreDoneAndRememberedAsTried) {
  const TempDir dir;
  DriverHarness node;
  ASSERT_TRUE(node.open(fileDriver(), options(dir.makeFile("a.raw", 1 << 20)), flags()).ok());
  const auto done = node.write(0, 4096, 7, WriteFlags::stable());
  const auto facts = node.loop().run(node.ability<Informer>().storageFacts());
  ASSERT_TRUE(facts.ok());
  ASSERT_TRUE(facts->stableWrites.has_value());
  EXPECT_EQ(*facts->stableWrites, done.ok());
  if (!done.ok()) {
    EXPECT_EQ(done.error().code(), EOPNOTSUPP);
  }
  EXPECT_EQ(facts->engine, toString(GetParam().kind));
}

TEST_P(FileOnEveryEngine, ReadsZeroesBeyondAnOddEnd) {
  const TempDir dir;
  DriverHarness node;
  ASSERT_TRUE(node.open(fileDriver(), options(dir.makeFile("a.raw", 5000, 0x33)), flags()).ok());
  EXPECT_EQ(node.driver().length(), 5000U);
  auto data = node.read(4096, 4096);
  ASSERT_TRUE(data.ok()) << data.error().message();
  EXPECT_EQ(data->at(903), std::byte{0x33});
  EXPECT_EQ(data->at(904), std::byte{0});
  EXPECT_EQ(data->at(4095), std::byte{0});
}

TEST_P(FileOnEveryEngine, GrowsByAWriteBehindItsEnd) {
  const TempDir dir;
  const std::string path = dir.makeFile("a.raw", 4096);
  DriverHarness node;
  ASSERT_TRUE(node.open(fileDriver(), options(path), flags()).ok());
  ASSERT_TRUE(node.write(65536, 4096, 9).ok());
  EXPECT_EQ(node.driver().length(), 65536U + 4096U);
  EXPECT_EQ(std::filesystem::file_size(path), 65536U + 4096U);
  auto hole = node.read(8192, 4096);
  ASSERT_TRUE(hole.ok());
  EXPECT_TRUE(hole->isAll(0));
}

TEST_P(FileOnEveryEngine, DiscardGivesSpaceBackAndLeavesTheSize) {
  const TempDir dir;
  const std::string path = dir.makeFile("a.raw", 1 << 20, 0x77);
  DriverHarness node;
  ASSERT_TRUE(node.open(fileDriver(), options(path), flags()).ok());
  ASSERT_TRUE(node.flush().ok());
  struct stat before {};
  stat(path.c_str(), &before);
  const auto done = node.loop().run(node.ability<Discards>().discard(Extent(0, 512 * 1024), WriteFlags::stable()));
  ASSERT_TRUE(done.ok()) << done.error().message();
  struct stat after {};
  stat(path.c_str(), &after);
  EXPECT_LT(after.st_blocks, before.st_blocks);
  EXPECT_EQ(after.st_size, 1 << 20);
  EXPECT_TRUE(node.read(0, 4096)->isAll(0));
  EXPECT_TRUE(node.read(512 * 1024, 4096)->isAll(0x77));
  EXPECT_EQ(node.ability<Informer>().counters().front().second, 1U);
}

TEST_P(FileOnEveryEngine, WritesZeroesWithAndWithoutUnmapping) {
  const TempDir dir;
  const std::string path = dir.makeFile("a.raw", 1 << 20, 0x77);
  DriverHarness node;
  ASSERT_TRUE(node.open(fileDriver(), options(path), flags()).ok());
  ASSERT_TRUE(node.flush().ok());
  struct stat full {};
  stat(path.c_str(), &full);
  auto& zeroes = node.ability<ZeroWriter>();
  ASSERT_TRUE(node.loop().run(zeroes.writeZeroes(Extent(0, 65536), WriteFlags())).ok());
  struct stat kept {};
  stat(path.c_str(), &kept);
  EXPECT_GE(kept.st_blocks, full.st_blocks - 8) << "space must stay";
  EXPECT_TRUE(node.read(0, 65536)->isAll(0));
  ASSERT_TRUE(
      node.loop().run(zeroes.writeZeroes(Extent(65536, 65536), WriteFlags::mayUnmap() | WriteFlags::stable())).ok());
  struct stat given {};
  stat(path.c_str(), &given);
  EXPECT_LT(given.st_blocks, kept.st_blocks);
  EXPECT_TRUE(node.read(65536, 65536)->isAll(0));
  EXPECT_TRUE(node.read(131072, 4096)->isAll(0x77));
}

TEST_P(FileOnEveryEngine, ZeroesBehindTheEndGrowTheFile) {
  const TempDir dir;
  const std::string path = dir.makeFile("a.raw", 4096, 0x11);
  DriverHarness node;
  ASSERT_TRUE(node.open(fileDriver(), options(path), flags()).ok());
  for (const WriteFlags how : {WriteFlags(), WriteFlags::mayUnmap()}) {
    const std::uint64_t at = node.driver().length();
    const auto done = node.loop().run(node.ability<ZeroWriter>().writeZeroes(Extent(at, 8192), how));
    ASSERT_TRUE(done.ok() || done.error().code() == EOPNOTSUPP) << done.error().message();
    if (!done.ok()) GTEST_SKIP() << "no FALLOC_FL_ZERO_RANGE here";
    EXPECT_EQ(node.driver().length(), at + 8192);
    EXPECT_EQ(std::filesystem::file_size(path), at + 8192);
  }
}

TEST_P(FileOnEveryEngine, ManyRequestsAtOnceDoNotMixUp) {
  const TempDir dir;
  DriverHarness node;
  ASSERT_TRUE(node.open(fileDriver(), options(dir.makeFile("a.raw", 4 << 20)), flags()).ok());
  std::vector<Buffer> buffers;
  for (int i = 0; i < 64; ++i) buffers.emplace_back(4096, i + 1);
  const auto all = [](DriverHarness& harness, std::vector<Buffer>& data) -> Task<void> {
    TaskGroup group;
    const auto one = [](Driver& driver, Buffer& buffer, int index) -> Task<void> {
      const auto at = Extent(static_cast<std::uint64_t>(index) * 4096, 4096);
      const auto done = co_await driver.write(at, buffer.view(), WriteFlags());
      EXPECT_TRUE(done.ok());
    };
    for (int i = 0; i < 64; ++i) group.spawn(one(harness.driver(), data[static_cast<std::size_t>(i)], i));
    co_await group.join();
  };
  node.loop().run(all(node, buffers));
  for (int i = 0; i < 64; ++i) {
    EXPECT_TRUE(node.read(static_cast<std::uint64_t>(i) * 4096, 4096)->isAll(i + 1)) << i;
  }
}

// --- block status

TEST(FileStatus, TellsHolesFromData) {
  const TempDir dir;
  const std::string path = dir.makeFile("a.raw", 1 << 20);
  DriverHarness node;
  ASSERT_TRUE(node.open(fileDriver(), fileOptions(path)).ok());
  ASSERT_TRUE(node.write(262144, 65536, 1).ok());
  ASSERT_TRUE(node.flush().ok());
  auto& map = node.ability<Mapper>();
  const auto hole = node.loop().run(map.status(Extent(0, 1 << 20), true));
  ASSERT_TRUE(hole.ok());
  EXPECT_FALSE(hole->data);
  EXPECT_TRUE(hole->zero);
  EXPECT_EQ(hole->length, 262144U);
  EXPECT_EQ(hole->offset, 0U);
  const auto data = node.loop().run(map.status(Extent(262144, (1 << 20) - 262144), true));
  ASSERT_TRUE(data.ok());
  EXPECT_TRUE(data->data);
  EXPECT_EQ(data->length, 65536U);
  EXPECT_EQ(data->offset, 262144U);
  const auto rest = node.loop().run(map.status(Extent(524288, 524288), true));
  ASSERT_TRUE(rest.ok());
  EXPECT_FALSE(rest->data);
  EXPECT_TRUE(rest->endOfFile);
  EXPECT_EQ(rest->length, 524288U);
}

TEST(FileStatus, NeverAnswersNothingWhileTheFileIsCut) {
  const TempDir dir;
  const std::string path = dir.makeFile("a.raw", 1 << 20, 1);
  DriverHarness node;
  ASSERT_TRUE(node.open(fileDriver(), fileOptions(path)).ok());
  std::atomic<bool> stop{false};
  std::thread other([&] {
    while (!stop) {
      EXPECT_EQ(truncate(path.c_str(), 0), 0);
      EXPECT_EQ(truncate(path.c_str(), 1 << 20), 0);
    }
  });
  for (int i = 0; i < 500; ++i) {
    const auto status = node.loop().run(node.ability<Mapper>().status(Extent(65536, 131072), true));
    ASSERT_TRUE(status.ok());
    ASSERT_GT(status->length, 0U);
    ASSERT_LE(status->length, 131072U);
  }
  stop = true;
  other.join();
}

// --- sizes

TEST(FileResize, GrowsAndShrinks) {
  const TempDir dir;
  const std::string path = dir.makeFile("a.raw", 1 << 20, 5);
  DriverHarness node;
  ASSERT_TRUE(node.open(fileDriver(), fileOptions(path)).ok());
  auto& resizer = node.ability<Resizer>();
  ASSERT_TRUE(node.loop().run(resizer.resize(4096, Preallocation::kOff)).ok());
  ASSERT_TRUE(node.loop().run(resizer.resize(8192, Preallocation::kOff)).ok());
  EXPECT_EQ(node.driver().length(), 8192U);
  EXPECT_EQ(std::filesystem::file_size(path), 8192U);
  EXPECT_TRUE(node.read(4096, 4096)->isAll(0));
}

TEST(FileResize, LaysSpaceOutAsAsked) {
  const TempDir dir;
  for (const auto how : {Preallocation::kFalloc, Preallocation::kFull}) {
    const std::string path = dir.makeFile("a.raw", 0);
    DriverHarness node;
    ASSERT_TRUE(node.open(fileDriver(), fileOptions(path), directFlags()).ok());
    const auto done = node.loop().run(node.ability<Resizer>().resize((1 << 20) + 100, how));
    ASSERT_TRUE(done.ok()) << done.error().describe();
    struct stat seen {};
    stat(path.c_str(), &seen);
    EXPECT_GE(seen.st_blocks * 512, 1 << 20);
    EXPECT_EQ(seen.st_size, (1 << 20) + 100);
    const auto smaller = node.loop().run(node.ability<Resizer>().resize(4096, how));
    ASSERT_FALSE(smaller.ok());
    EXPECT_NE(smaller.error().hintText().find("preallocation=off"), std::string::npos);
    EXPECT_EQ(node.driver().length(), (1U << 20) + 100U);
  }
}

TEST(FileResize, LeavesTheSizeWhenTheDiskOrALimitIsFull) {
  const TempDir dir;
  const std::string path = dir.makeFile("a.raw", 4096, 5);
  DriverHarness node;
  ASSERT_TRUE(node.open(fileDriver(), fileOptions(path)).ok());
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{65536, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const auto grown = node.loop().run(node.ability<Resizer>().resize(1 << 20, Preallocation::kFull));
  const auto written = node.write(131072, 4096, 1);
  setrlimit(RLIMIT_FSIZE, &before);
  ASSERT_FALSE(grown.ok());
  EXPECT_EQ(grown.error().code(), EFBIG);
  EXPECT_NE(grown.error().message().find(path), std::string::npos);
  EXPECT_EQ(std::filesystem::file_size(path), 4096U);
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().code(), EFBIG);
  EXPECT_EQ(node.driver().length(), 4096U);
}

// --- what cannot be opened

class FileOpenErrors : public testing::Test {
 protected:
  Error refused(const std::string& path, OpenFlags flags = {}) {
    auto opened = node_.open(fileDriver(), fileOptions(path), flags);
    if (opened.ok()) {
      ADD_FAILURE() << path << " was opened";
      return Error("");
    }
    return opened.takeError();
  }
  TempDir dir_;
  DriverHarness node_;
};

TEST_F(FileOpenErrors, AMissingFileIsNamedWithWhatToDo) {
  const Error error = refused(dir_.file("none.raw"));
  EXPECT_EQ(error.code(), ENOENT);
  EXPECT_NE(error.message().find("none.raw"), std::string::npos);
  EXPECT_NE(error.hintText().find("blockdev-create"), std::string::npos);
  EXPECT_NE(refused("none.raw").hintText().find("relative to"), std::string::npos);
}

TEST_F(FileOpenErrors, ADirectoryAFifoAndADeviceAreRefusedByName) {
  EXPECT_NE(refused(dir_.path()).message().find("is a directory"), std::string::npos);
  OpenFlags reading;
  reading.readOnly = true;
  EXPECT_NE(refused(dir_.path(), reading).message().find("is a directory"), std::string::npos);
  ASSERT_EQ(mkfifo(dir_.file("fifo").c_str(), 0600), 0);
  EXPECT_NE(refused(dir_.file("fifo")).message().find("is a fifo"), std::string::npos);
  EXPECT_NE(refused(dir_.file("fifo"), reading).message().find("is a fifo"), std::string::npos);
  EXPECT_NE(refused("/dev/null").message().find("is a character device"), std::string::npos);
}

TEST_F(FileOpenErrors, NoPermissionNamesTheOwnerAndUs) {
  const std::string path = dir_.makeFile("a.raw", 4096);
  chmod(dir_.path().c_str(), 0755);
  chmod(path.c_str(), 0444);
  const rhea::test::AsNobody nobody;
  const Error error = refused(path);
  EXPECT_EQ(error.code(), EACCES);
  EXPECT_NE(error.hintText().find("mode 0444"), std::string::npos) << error.describe();
  EXPECT_NE(error.hintText().find("read-only=on"), std::string::npos);
}

TEST_F(FileOpenErrors, AFolderThatMayNotBeSearchedIsSaidToBeTheCause) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can make a folder that we may not search";
  const std::string path = dir_.makeFile("a.raw", 4096);
  const rhea::test::AsNobody nobody;
  EXPECT_NE(refused(path).hintText().find("may not search a folder"), std::string::npos);
}

TEST_F(FileOpenErrors, WithAutoReadOnlyAFileThatMayOnlyBeReadOpensForReading) {
  const std::string path = dir_.makeFile("a.raw", 4096, 3);
  chmod(dir_.path().c_str(), 0755);
  chmod(path.c_str(), 0444);
  const rhea::test::AsNobody nobody;
  OpenFlags flags;
  flags.autoReadOnly = true;
  ASSERT_TRUE(node_.open(fileDriver(), fileOptions(path), flags).ok());
  EXPECT_FALSE(node_.driver().isReadOnly()) << "it may become writable";
  EXPECT_EQ(node_.write(0, 4096, 1).error().code(), EROFS);
  EXPECT_TRUE(node_.read(0, 4096)->isAll(3));
}

TEST_F(FileOpenErrors, ForceShareNeedsReadOnly) {
  OpenFlags flags;
  flags.forceShare = true;
  const Error error = refused(dir_.makeFile("a.raw", 4096), flags);
  EXPECT_NE(error.hintText().find("read-only=on"), std::string::npos);
}

TEST_F(FileOpenErrors, NativeAioNeedsDirect) {
  auto options = fileOptions(dir_.makeFile("a.raw", 4096));
  options.aio = qapi::BlockdevAioOptions::native;
  const auto opened = node_.open(fileDriver(), options);
  ASSERT_FALSE(opened.ok());
  EXPECT_NE(opened.error().hintText().find("cache.direct=on"), std::string::npos);
}

TEST_F(FileOpenErrors, AReadOnlyFileRefusesEveryChange) {
  OpenFlags flags;
  flags.readOnly = true;
  ASSERT_TRUE(node_.open(fileDriver(), fileOptions(dir_.makeFile("a.raw", 8192, 1)), flags).ok());
  EXPECT_TRUE(node_.driver().isReadOnly());
  EXPECT_EQ(node_.write(0, 4096, 1).error().code(), EROFS);
  EXPECT_EQ(node_.loop().run(node_.ability<Discards>().discard(Extent(0, 4096), {})).error().code(), EROFS);
  EXPECT_EQ(node_.loop().run(node_.ability<ZeroWriter>().writeZeroes(Extent(0, 4096), {})).error().code(), EROFS);
  EXPECT_EQ(node_.loop().run(node_.ability<Resizer>().resize(0, Preallocation::kOff)).error().code(), EROFS);
  EXPECT_TRUE(node_.read(0, 4096)->isAll(1));
  EXPECT_TRUE(node_.flush().ok());
}

}  // namespace
}  // namespace rhea::block
