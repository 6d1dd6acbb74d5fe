// Every engine through the same tests.
#include "emu/io/file-engine.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/falloc.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <random>
#include <thread>

#include "emu/base/log.h"
#include "emu/io/fd.h"
#include "emu/io/services.h"
#include "emu/io/sync.h"
#include "tests/lib/temp-dir.h"
#include "tests/support/loops.h"
#include "tests/support/run-task.h"

namespace rhea {
namespace {

using test::runTask;

constexpr std::size_t kBlock = 4096;

// Memory that direct I/O takes.
class Blocks {
 public:
  explicit Blocks(std::size_t count) : bytes_(static_cast<char*>(std::aligned_alloc(kBlock, count * kBlock))) {
    std::memset(bytes_, 0, count * kBlock);
  }
  Blocks(const Blocks&) = delete;
  Blocks& operator=(const Blocks&) = delete;
  ~Blocks() { std::free(bytes_); }
  char* at(std::size_t block) const { return bytes_ + block * kBlock; }
  iovec vector(std::size_t block) const { return {at(block), kBlock}; }

 private:
  char* bytes_;
};

class EveryFileEngine : public testing::TestWithParam<FileEngineKind> {
 protected:
  void SetUp() override {
    if (const Result<void> works = probeFileEngine(GetParam()); !works.ok()) {
      GTEST_SKIP() << works.error().describe();
    }
    const int flags = O_RDWR | O_CREAT | O_CLOEXEC | (GetParam() == FileEngineKind::kNative ? O_DIRECT : 0);
    file_ = Fd(::open(folder_.file("image").c_str(), flags, 0600));
    if (!file_ && errno == EINVAL) GTEST_SKIP() << "the file system has no direct I/O";
    ASSERT_TRUE(file_.valid());
    ASSERT_EQ(::ftruncate(file_.get(), 1024 * kBlock), 0);
  }
  FileEngine& engine() { return **loop_->fileEngine(GetParam()); }
  Result<std::size_t> run(FileRequest request) { return runTask(*loop_, engine().submit(request)); }
  FileRequest request(FileOp op, std::uint64_t block, std::span<const iovec> data) {
    FileRequest made(op, file_.get(), block * kBlock);
    made.data = data;
    return made;
  }

  test::TempDir folder_;
  Fd file_;
  WorkerPool workers_;
  std::unique_ptr<Loop> loop_ = Loop::create("main", workers_).value();
};

TEST_P(EveryFileEngine, readsBackWhatItWrote) {
  const Blocks memory(4);
  for (std::size_t i = 0; i < 2; i++) std::memset(memory.at(i), static_cast<int>('a' + i), kBlock);
  const std::array<iovec, 2> from{memory.vector(0), memory.vector(1)};
  EXPECT_EQ(*run(request(FileOp::kWrite, 3, from)), 2 * kBlock);
  EXPECT_EQ(*run(FileRequest(FileOp::kSync, file_.get(), 0)), 0U);
  const std::array<iovec, 2> to{memory.vector(2), memory.vector(3)};
  EXPECT_EQ(*run(request(FileOp::kRead, 3, to)), 2 * kBlock);
  EXPECT_EQ(std::memcmp(memory.at(0), memory.at(2), 2 * kBlock), 0);
  const std::array<iovec, 1> one{memory.vector(2)};
  EXPECT_EQ(*run(request(FileOp::kRead, 4, one)), kBlock);
  EXPECT_EQ(memory.at(2)[0], 'b');
  EXPECT_EQ(engine().inFlight(), 0U);
}

TEST_P(EveryFileEngine, writesStablyOrSaysThatItCannot) {
  const Blocks memory(1);
  const std::array<iovec, 1> from{memory.vector(0)};
  const Result<std::size_t> written = run(request(FileOp::kWriteStable, 0, from));
  if (written.ok()) {
    EXPECT_EQ(*written, kBlock);
  } else {
    EXPECT_TRUE(written.error().code() == EOPNOTSUPP || written.error().code() == EINVAL) << written.error().message();
  }
}

TEST_P(EveryFileEngine, punchesHoles) {
  const Blocks memory(1);
  std::memset(memory.at(0), 'x', kBlock);
  const std::array<iovec, 1> data{memory.vector(0)};
  ASSERT_TRUE(run(request(FileOp::kWrite, 7, data)).ok());
  FileRequest punch(FileOp::kAllocate, file_.get(), 7 * kBlock);
  punch.length = kBlock;
  punch.mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  const Result<std::size_t> punched = run(punch);
  if (!punched.ok() && punched.error().code() == EOPNOTSUPP) GTEST_SKIP() << "the file system punches no holes";
  ASSERT_TRUE(punched.ok()) << punched.error().message();
  EXPECT_EQ(*punched, 0U);
  ASSERT_EQ(*run(request(FileOp::kRead, 7, data)), kBlock);
  EXPECT_EQ(memory.at(0)[0], 0);
}

TEST_P(EveryFileEngine, givesBareHostErrorsAndShortReadsAsTheyAre) {
  const Blocks memory(1);
  const std::array<iovec, 1> data{memory.vector(0)};
  FileRequest bad(FileOp::kRead, -1, 0);
  bad.data = data;
  EXPECT_EQ(run(bad).error().code(), EBADF);
  EXPECT_EQ(*run(request(FileOp::kRead, 1024, data)), 0U) << "at the end of the file";
  ASSERT_EQ(::ftruncate(file_.get(), kBlock + 512), 0);
  EXPECT_EQ(*run(request(FileOp::kRead, 1, data)), 512U);
  const Fd readOnly(::open(folder_.file("image").c_str(), O_RDONLY | O_CLOEXEC));
  FileRequest write(FileOp::kWrite, readOnly.get(), 0);
  write.data = data;
  EXPECT_EQ(run(write).error().code(), EBADF);
}

Task<void> readBlock(FileEngine& engine, FileRequest request, std::size_t& good) {
  const Result<std::size_t> done = co_await engine.submit(request);
  if (done.ok() && *done == kBlock) good++;
}

Task<void> readAll(FileEngine& engine, int fd, const Blocks& memory, std::vector<iovec>& vectors, std::size_t& good) {
  TaskGroup group;
  for (std::size_t i = 0; i < vectors.size(); i++) {
    vectors[i] = memory.vector(i);
    FileRequest request(FileOp::kRead, fd, (i % 1024) * kBlock);
    request.data = std::span(&vectors[i], 1);
    group.spawn(readBlock(engine, request, good));
  }
  co_await group.join();
}

// More at once than a ring or context has entries.
TEST_P(EveryFileEngine, queuesWhatTheKernelHasNoRoomFor) {
  constexpr std::size_t kMany = 3000;
  const Blocks memory(kMany);
  for (std::size_t i = 0; i < 1024; i++) {
    std::memset(memory.at(i), static_cast<int>(1 + i % 200), kBlock);
    ASSERT_EQ(::pwrite(file_.get(), memory.at(i), kBlock, static_cast<off_t>(i * kBlock)), ssize_t{kBlock});
  }
  std::vector<iovec> vectors(kMany);
  std::size_t good = 0;
  runTask(*loop_, readAll(engine(), file_.get(), memory, vectors, good));
  EXPECT_EQ(good, kMany);
  EXPECT_EQ(engine().inFlight(), 0U);
  for (std::size_t i = 0; i < kMany; i++) ASSERT_EQ(memory.at(i)[17], static_cast<char>(1 + i % 1024 % 200)) << i;
}

Task<void> readSerially(FileEngine& engine, int fd, std::span<const iovec> data, int times, int& good) {
  for (int i = 0; i < times; i++) {
    FileRequest request(FileOp::kRead, fd, static_cast<std::uint64_t>(i % 1024) * kBlock);
    request.data = data;
    const Result<std::size_t> done = co_await engine.submit(request);
    if (done.ok() && *done == kBlock) good++;
  }
}

// A task whose reads are answered at once from the page cache must not keep the loop from its timers and mail.
TEST_P(EveryFileEngine, leavesTimeForOthers) {
  const Blocks memory(1);
  const std::array<iovec, 1> data{memory.vector(0)};
  constexpr int kTimes = 5000;
  int good = 0;
  int beats = 0;
  const auto timer = loop_->timer(
      std::chrono::milliseconds(1), [&] { beats++; }, true);
  runTask(*loop_, readSerially(engine(), file_.get(), data, kTimes, good));
  EXPECT_EQ(good, kTimes);
  EXPECT_GT(beats, 0);
}

TEST_P(EveryFileEngine, aLoopEndsAfterItsRequests) {
  const Blocks memory(64);
  std::vector<iovec> vectors(64);
  std::size_t good = 0;
  loop_->spawn(readAll(engine(), file_.get(), memory, vectors, good));
  loop_.reset();
  EXPECT_EQ(good, 64U);
}

TEST_P(EveryFileEngine, servesALoopThatWasMadeOnAnotherThread) {
  FileEngine& made = engine();
  const Blocks memory(1);
  const std::array<iovec, 1> data{memory.vector(0)};
  Result<std::size_t> done = Error("not run");
  std::thread other([&] { done = runTask(*loop_, made.submit(request(FileOp::kRead, 0, data))); });
  other.join();
  ASSERT_TRUE(done.ok()) << done.error().message();
  EXPECT_EQ(*done, kBlock);
}

INSTANTIATE_TEST_SUITE_P(Engines, EveryFileEngine,
                         testing::Values(FileEngineKind::kThreads, FileEngineKind::kNative, FileEngineKind::kUring),
                         [](const auto& engine) {
                           return engine.param == FileEngineKind::kUring ? "uring"
                                                                         : std::string(toString(engine.param));
                         });

TEST(FileEngines, haveTheNamesOfTheAioOption) {
  EXPECT_EQ(toString(FileEngineKind::kThreads), "threads");
  EXPECT_EQ(toString(FileEngineKind::kNative), "native");
  EXPECT_EQ(toString(FileEngineKind::kUring), "io_uring");
}

// A default engine with a log that can be read.
class DefaultEngine : public testing::Test {
 protected:
  DefaultEngine() {
    std::array<int, 2> pipe{};
    EXPECT_EQ(::pipe2(pipe.data(), O_CLOEXEC | O_NONBLOCK), 0);
    reader_ = Fd(pipe[0]);
    writer_ = Fd(pipe[1]);
    Log::Settings settings;
    settings.fd = writer_.get();
    log_.configure(settings);
  }
  std::string told() {
    EXPECT_TRUE(log_.flush());
    std::string text(4000, '\0');
    const ssize_t got = ::read(reader_.get(), text.data(), text.size());
    text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return text;
  }

  Fd reader_;
  Fd writer_;
  Log log_;
  DefaultFileEngine choice_{log_};
};

TEST_F(DefaultEngine, isARingWhereOneWorksAndSaysNothing) {
  if (!probeFileEngine(FileEngineKind::kUring).ok()) GTEST_SKIP() << "no io_uring here";
  Services services;
  services.provide(choice_);
  EXPECT_EQ(defaultFileEngine(services), FileEngineKind::kUring);
  EXPECT_EQ(told(), "");
}

// For the calling thread, as a sandbox would: io_uring_setup() gives EPERM.
bool forbidRings() {
  std::array<sock_filter, 4> program{{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                                      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
                                      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
                                      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)}};
  const sock_fprog filter{program.size(), program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

TEST_F(DefaultEngine, isThreadsInASandboxAndSaysWhyOnce) {
  bool forbidden = false;
  std::array<FileEngineKind, 3> kinds{};
  Error error("none");
  std::thread sandboxed([&] {
    forbidden = forbidRings();
    for (FileEngineKind& kind : kinds) kind = choice_.kind();
    if (Result<void> works = probeFileEngine(FileEngineKind::kUring); !works.ok()) error = works.takeError();
  });
  sandboxed.join();
  if (!forbidden) GTEST_SKIP() << "no seccomp here";
  for (const FileEngineKind kind : kinds) EXPECT_EQ(kind, FileEngineKind::kThreads);
  const std::string text = told();
  EXPECT_TRUE(text.starts_with("rhea: file I/O uses threads: io_uring does not work here")) << text;
  EXPECT_EQ(std::ranges::count(text, '\n'), 1) << text;
  EXPECT_NE(error.hintText().find("aio=threads"), std::string_view::npos) << error.describe();
}

}  // namespace
}  // namespace rhea
