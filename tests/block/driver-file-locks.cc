// Image locks: the protocol, the holder's name, and other programs on the other side.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "block/driver/file/image-lock.h"
#include "block/driver/file/lock-holder.h"
#include "tests/lib/command.h"
#include "tests/lib/temp-dir.h"

namespace rhea::block {
namespace {

using test::TempDir;

constexpr std::uint32_t kRead = lockBit(LockBit::kConsistentRead);
constexpr std::uint32_t kWrite = lockBit(LockBit::kWrite);
constexpr std::uint32_t kResize = lockBit(LockBit::kResize);

class Opened {
 public:
  explicit Opened(const std::string& path, int flags = O_RDWR) : fd_(open(path.c_str(), flags | O_CLOEXEC)) {}
  ~Opened() { close(fd_); }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;
  int operator*() const { return fd_; }

 private:
  int fd_;
};

// Waits until somebody but us holds a lock on the file of `fd`.
bool waitForHolder(int fd) {
  for (int tries = 0; tries < 200; ++tries) {
    if (!findHolders(fd).empty()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return false;
}

TEST(ImageLock, TwoReadersShareAnImage) {
  const TempDir dir;
  const std::string path = dir.makeFile("a.raw", 4096);
  const Opened one(path);
  const Opened two(path);
  EXPECT_TRUE(claimLocks(*one, {}, {kRead, 0}, path).ok());
  EXPECT_TRUE(claimLocks(*two, {}, {kRead, kWrite}, path).ok());
}

TEST(ImageLock, AReaderThatDeniesWritingKeepsAWriterOut) {
  const TempDir dir;
  const std::string path = dir.makeFile("a.raw", 4096);
  const Opened reader(path);
  const Opened writer(path);
  ASSERT_TRUE(claimLocks(*reader, {}, {kRead, kWrite}, path).ok());
  const auto refused = claimLocks(*writer, {}, {kRead | kWrite, 0}, path);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().exitCode(), 3);
  EXPECT_NE(refused.error().message().find("the image is in use"), std::string::npos) << refused.error().message();
  EXPECT_NE(refused.error().message().find(path), std::string::npos);
  EXPECT_NE(refused.error().message().find("another node of this process " + std::to_string(getpid())),
            std::string::npos)
      << refused.error().message();
}

TEST(ImageLock, AWriterThatSharesNothingKeepsASecondWriterOut) {
  const TempDir dir;
  const std::string path = dir.makeFile("a.raw", 4096);
  const Opened one(path);
  const Opened two(path);
  const LockSet disk(kRead | kWrite | kResize, kWrite | kResize);
  ASSERT_TRUE(claimLocks(*one, {}, disk, path).ok());
  EXPECT_FALSE(claimLocks(*two, {}, disk, path).ok());
  ASSERT_TRUE(dropLocks(*one, disk).ok());
  EXPECT_TRUE(claimLocks(*two, {}, disk, path).ok());
}

TEST(ImageLock, ARefusedClaimLeavesOnlyWhatWasHeldBefore) {
  const TempDir dir;
  const std::string path = dir.makeFile("a.raw", 4096);
  const Opened first(path);
  const Opened second(path);
  const Opened third(path);
  ASSERT_TRUE(claimLocks(*first, {}, {kRead, kWrite}, path).ok());
  ASSERT_TRUE(claimLocks(*second, {}, {kRead, 0}, path).ok());
  ASSERT_FALSE(claimLocks(*second, {kRead, 0}, {kRead | kWrite, kResize}, path).ok());
  ASSERT_TRUE(dropLocks(*first, {kRead, kWrite}).ok());
  // The third is hindered by neither byte of the failed claim, but sees that reading is still held.
  const auto resize = findConflict(*third, {kResize, kWrite});
  ASSERT_TRUE(resize.ok());
  EXPECT_FALSE(resize->has_value());
  const auto denyRead = findConflict(*third, {0, kRead});
  ASSERT_TRUE(denyRead.ok());
  EXPECT_TRUE(denyRead->has_value());
}

TEST(ImageLock, TheHolderIsNamedWithPidCommandAndPurpose) {
  const TempDir dir;
  const std::string path = dir.makeFile("a.raw", 4096);
  const pid_t child = fork();
  if (child == 0) {
    const int fd = open(path.c_str(), O_RDWR);
    static_cast<void>(takeLocks(fd, {kRead | kWrite, kWrite}));
    pause();
    _exit(0);
  }
  const Opened mine(path);
  const bool held = waitForHolder(*mine);
  const auto refused = claimLocks(*mine, {}, {kRead | kWrite, kWrite}, path);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  ASSERT_TRUE(held);
  ASSERT_FALSE(refused.ok());
  const std::string text = refused.error().message();
  EXPECT_NE(text.find("process " + std::to_string(child) + " ("), std::string::npos) << text;
  EXPECT_NE(text.find(", since "), std::string::npos) << text;
  EXPECT_NE(text.find("holds it for writing"), std::string::npos) << text;
  EXPECT_NE(refused.error().hintText().find("force-share=on"), std::string::npos);
}

TEST(ImageLock, AnOldStyleProcessLockIsSeenAndNamedToo) {
  const TempDir dir;
  const std::string path = dir.makeFile("a.raw", 4096);
  const pid_t child = fork();
  if (child == 0) {
    const int fd = open(path.c_str(), O_RDWR);
    struct flock lock {};
    lock.l_type = F_RDLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = 201;
    lock.l_len = 1;
    fcntl(fd, F_SETLK, &lock);
    pause();
    _exit(0);
  }
  const Opened mine(path);
  const bool held = waitForHolder(*mine);
  const auto refused = claimLocks(*mine, {}, {kWrite, 0}, path);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  ASSERT_TRUE(held);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message().find(std::to_string(child)), std::string::npos) << refused.error().message();
}

TEST(ImageLock, RangesMapToPermissionBytes) {
  EXPECT_EQ(lockSetOfRange(100, 101), LockSet(kRead | kWrite, 0));
  EXPECT_EQ(lockSetOfRange(201, 203), LockSet(0, kWrite | kResize | lockBit(LockBit::kWriteUnchanged)));
  EXPECT_EQ(lockSetOfRange(0, -1), LockSet(kAllLockBits, kAllLockBits));
  EXPECT_TRUE(lockSetOfRange(0, 99).empty());
}

// --- the other programs of the family, both ways

TEST(ImageLock, AnotherProgramIsKeptOutByOurs) {
  if (!test::haveProgram("qemu-io")) GTEST_SKIP() << "qemu-io is not installed";
  const TempDir dir;
  const std::string path = dir.makeFile("a.raw", 1 << 20);
  const Opened mine(path);
  ASSERT_TRUE(claimLocks(*mine, {}, {kRead | kWrite, kWrite | kResize}, path).ok());
  const auto writing = test::run("qemu-io -f raw -c 'write 0 512' " + path);
  EXPECT_NE(writing.status, 0) << writing.output;
  EXPECT_NE(writing.output.find("lock"), std::string::npos) << writing.output;
  const auto sharing = test::run("qemu-io -r -U -f raw -c 'read 0 512' " + path);
  EXPECT_EQ(sharing.status, 0) << sharing.output;
  const auto info = test::run("qemu-img info -U " + path);
  EXPECT_EQ(info.status, 0) << info.output;
}

TEST(ImageLock, OursIsKeptOutByAnotherProgram) {
  if (!test::haveProgram("qemu-io")) GTEST_SKIP() << "qemu-io is not installed";
  const TempDir dir;
  const std::string path = dir.makeFile("a.raw", 1 << 20);
  const test::Background other("exec qemu-io -f raw -c 'sleep 15000' " + path);
  const Opened mine(path);
  ASSERT_TRUE(waitForHolder(*mine));
  const auto refused = claimLocks(*mine, {}, {kRead | kWrite, kWrite | kResize}, path);
  ASSERT_FALSE(refused.ok());
  const std::string text = refused.error().message();
  EXPECT_NE(text.find("process " + std::to_string(other.pid()) + " (qemu-io)"), std::string::npos) << text;
  EXPECT_NE(text.find("holds it for writing"), std::string::npos) << text;
  EXPECT_TRUE(claimLocks(*mine, {}, {kRead, 0}, path).ok());
}

}  // namespace
}  // namespace rhea::block
