// Looking for work before sleeping.
#include "emu/io/loop-tuning.h"

#include <fcntl.h>
#include <unistd.h>

#include "emu/io/fd.h"
#include "emu/io/file-engine.h"
#include "emu/io/sync.h"
#include "tests/lib/temp-dir.h"
#include "tests/support/loops.h"
#include "tests/support/run-task.h"

namespace rhea {
namespace {

using namespace std::chrono_literals;
using test::LoopTest;

LoopTuning& upTo(LoopTuning& tuning, Duration most) {
  tuning.pollMostNs = std::chrono::nanoseconds(most).count();
  return tuning;
}

TEST(AdaptiveWait, BeginsWithoutALook) {
  LoopTuning tuning;
  const AdaptiveWait wait;
  EXPECT_EQ(wait.time(upTo(tuning, 30us)), Duration::zero());
}

TEST(AdaptiveWait, GrowsWhileALongerLookWouldHaveBeenEnough) {
  LoopTuning tuning;
  upTo(tuning, 30us);
  AdaptiveWait wait;
  wait.learn(20us, tuning);
  EXPECT_EQ(wait.time(tuning), Duration(4us));
  wait.learn(20us, tuning);
  wait.learn(20us, tuning);
  EXPECT_EQ(wait.time(tuning), Duration(16us));
  wait.learn(10us, tuning);  // seen in time
  EXPECT_EQ(wait.time(tuning), Duration(16us));
  wait.learn(20us, tuning);
  EXPECT_EQ(wait.time(tuning), Duration(30us)) << "not beyond the limit";
  tuning.pollGrow = 3;
  AdaptiveWait faster;
  faster.learn(20us, tuning);
  faster.learn(20us, tuning);
  EXPECT_EQ(faster.time(tuning), Duration(12us));
}

TEST(AdaptiveWait, ShrinksWhereNoLookIsLongEnough) {
  LoopTuning tuning;
  upTo(tuning, 32us);
  AdaptiveWait wait;
  for (int i = 0; i < 4; i++) wait.learn(30us, tuning);
  EXPECT_EQ(wait.time(tuning), Duration(32us));
  tuning.pollShrink = 2;
  wait.learn(1ms, tuning);
  EXPECT_EQ(wait.time(tuning), Duration(16us));
  tuning.pollShrink = 0;
  wait.learn(1ms, tuning);
  EXPECT_EQ(wait.time(tuning), Duration::zero());
}

TEST(AdaptiveWait, ALowerLimitCountsAtOnce) {
  LoopTuning tuning;
  upTo(tuning, 32us);
  AdaptiveWait wait;
  for (int i = 0; i < 4; i++) wait.learn(30us, tuning);
  EXPECT_EQ(wait.time(upTo(tuning, 5us)), Duration(5us));
  EXPECT_EQ(wait.time(upTo(tuning, 0us)), Duration::zero());
}

class Looking : public LoopTest, public testing::WithParamInterface<FileEngineKind> {
 protected:
  struct alignas(4096) Page {
    std::array<std::byte, 4096> bytes;
  };
  // Into memory of its own: several run at a time.
  Task<std::size_t> readMany(int fd, int count) {
    std::size_t read = 0;
    const auto page = std::make_unique<Page>();
    FileEngine* const engine = *loop_->fileEngine(GetParam());
    for (int i = 0; i < count; i++) {
      iovec piece{page->bytes.data(), page->bytes.size()};
      FileRequest request(FileOp::kRead, fd, 0);
      request.data = std::span<const iovec>(&piece, 1);
      const Result<std::size_t> done = co_await engine->submit(request);
      if (done.ok()) read += *done;
    }
    co_return read;
  }
  test::TempDir dir_;
};

TEST_P(Looking, RequestsMailAndTimersAreServedWhileTheLoopLooks) {
  if (!probeFileEngine(GetParam()).ok()) GTEST_SKIP() << "no " << toString(GetParam()) << " here";
  tuningOf(*loop_).pollMostNs = std::chrono::nanoseconds(200ms).count();
  tuningOf(*loop_).pollGrow = 1000;
  const Fd fd(::open(dir_.makeFile("a", 65536, 1).c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(test::runTask(*loop_, readMany(fd.get(), 50)), 50U * 4096);
  // A timer does not wait for the end of a long look.
  const auto before = Clock::now();
  EXPECT_TRUE(test::runTask(*loop_, loop_->sleep(5ms)).ok());
  EXPECT_TRUE(test::runTask(*loop_, loop_->sleep(5ms)).ok());
  EXPECT_LT(Clock::now() - before, 150ms);
  // Mail from another thread ends it.
  std::thread sender([this] {
    std::this_thread::sleep_for(5ms);
    loop_->post([] {});
  });
  bool came = false;
  loop_->post([this, &came] { loop_->post([&came] { came = true; }); });
  loop_->waitUntil([&came] { return came; });
  sender.join();
}

TEST_P(Looking, ABatchIsHandedOverWhenItIsFull) {
  if (!probeFileEngine(GetParam()).ok()) GTEST_SKIP() << "no " << toString(GetParam()) << " here";
  tuningOf(*loop_).maxBatch = 2;
  const Fd fd(::open(dir_.makeFile("a", 65536, 1).c_str(), O_RDONLY | O_CLOEXEC));
  const auto many = [this](int file) -> Task<std::size_t> {
    TaskGroup group;
    std::size_t read = 0;
    const auto one = [this, file, &read]() -> Task<void> { read += co_await readMany(file, 3); };
    for (int i = 0; i < 20; i++) group.spawn(one());
    co_await group.join();
    co_return read;
  };
  EXPECT_EQ(test::runTask(*loop_, many(fd.get())), 60U * 4096);
}

INSTANTIATE_TEST_SUITE_P(Engines, Looking,
                         testing::Values(FileEngineKind::kUring, FileEngineKind::kThreads, FileEngineKind::kNative),
                         [](const auto& engine) { return std::string(toString(engine.param)); });

}  // namespace
}  // namespace rhea
