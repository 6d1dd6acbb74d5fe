// blockdev-create of files.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/driver/file/create.h"
#include "block/driver/file/image-lock.h"
#include "qapi/types-block-options.h"
#include "tests/block/driver-harness.h"
#include "tests/lib/mounted.h"

namespace rhea::block {
namespace {

using test::OnLoop;
using test::TempDir;

class CreateFile : public testing::Test {
 protected:
  Result<void> create(const std::string& path, std::uint64_t size,
                      std::optional<qapi::PreallocMode> how = std::nullopt) {
    qapi::BlockdevCreateOptionsFile options;
    options.filename = path;
    options.size = size;
    options.preallocation = how;
    CreateContext context(loop_.loop(), services_, progress_);
    context.cancel = cancel_.token();
    return loop_.run(createFile(std::move(context), DriverOptions::of(options)));
  }

  TempDir dir_;
  OnLoop loop_;
  Services services_;
  Progress progress_;
  CancelSource cancel_;
};

TEST_F(CreateFile, MakesASparseFileOfTheSize) {
  ASSERT_TRUE(create(dir_.file("a"), 100 << 20).ok());
  struct stat seen {};
  stat(dir_.file("a").c_str(), &seen);
  EXPECT_EQ(seen.st_size, 100 << 20);
  EXPECT_LT(seen.st_blocks * 512, 1 << 20);
  EXPECT_EQ(progress_.done(), progress_.total());
}

TEST_F(CreateFile, PreallocatesAsAsked) {
  for (const auto how : {qapi::PreallocMode::falloc, qapi::PreallocMode::full}) {
    const std::string path = dir_.file(std::string(qapi::toString(how)));
    const auto done = create(path, 4 << 20, how);
    ASSERT_TRUE(done.ok()) << done.error().describe();
    struct stat seen {};
    stat(path.c_str(), &seen);
    EXPECT_GE(seen.st_blocks * 512, 4 << 20);
  }
}

TEST_F(CreateFile, CutsAFileThatExistsToNothingFirst) {
  const std::string path = dir_.makeFile("a", 65536, 'x');
  ASSERT_TRUE(create(path, 4096).ok());
  std::ifstream in(path, std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), std::string(4096, '\0'));
}

TEST_F(CreateFile, LeavesAFileAloneThatSomebodyUses) {
  const std::string path = dir_.makeFile("a", 65536, 'x');
  const int other = open(path.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_TRUE(claimLocks(other, {}, {lockBit(LockBit::kWrite), lockBit(LockBit::kWrite)}, path).ok());
  const auto refused = create(path, 4096);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message().find("in use"), std::string::npos) << refused.error().message();
  EXPECT_EQ(std::filesystem::file_size(path), 65536U);
  close(other);
}

TEST_F(CreateFile, RemovesWhatItMadeWhenTheDiskIsFull) {
  const rhea::test::Mounted disk("tmpfs", "size=1m");
  if (!disk.ok()) GTEST_SKIP() << disk.why();
  const std::string path = disk.dir().file("a");
  for (const auto how : {qapi::PreallocMode::falloc, qapi::PreallocMode::full}) {
    const auto refused = create(path, 8 << 20, how);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code(), ENOSPC);
    EXPECT_FALSE(std::filesystem::exists(path));
  }
}

TEST_F(CreateFile, EndsWhenItIsCancelled) {
  cancel_.cancel(Error("the job was cancelled"));
  const auto ended = create(dir_.file("a"), 64 << 20, qapi::PreallocMode::full);
  ASSERT_FALSE(ended.ok());
  EXPECT_EQ(ended.error().message(), "the job was cancelled");
  EXPECT_FALSE(std::filesystem::exists(dir_.file("a")));
}

TEST_F(CreateFile, NamesWhatIsInTheWay) {
  EXPECT_NE(create(dir_.file("no/such/a"), 1).error().hintText().find("folder"), std::string::npos);
  EXPECT_NE(create(dir_.path(), 1).error().message().find(dir_.path()), std::string::npos);
  const auto huge = create(dir_.file("b"), std::uint64_t{1} << 63);
  ASSERT_FALSE(huge.ok());
  EXPECT_FALSE(std::filesystem::exists(dir_.file("b")));
}

}  // namespace
}  // namespace rhea::block
