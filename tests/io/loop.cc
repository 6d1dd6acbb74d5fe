#include "emu/io/loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "emu/io/fd.h"
#include "emu/io/offload.h"
#include "tests/support/loops.h"
#include "tests/support/run-task.h"

namespace rhea {
namespace {

using namespace std::chrono_literals;
using test::LoopThread;
using test::runTask;

class LoopRuns : public test::LoopTest {};

Task<int> sum(int left, int right) { co_return left + right; }

Task<std::int64_t> sumOfMany(int count) {
  std::int64_t total = 0;
  for (int i = 0; i < count; i++) total += co_await sum(i, 1);
  co_return total;
}

TEST_F(LoopRuns, aMillionTasksThatCompleteAtOnceWithoutGrowingTheStack) {
  EXPECT_EQ(runTask(*loop_, sumOfMany(1'000'000)), std::int64_t{500'000} * 1'000'001);
}

TEST_F(LoopRuns, mailOfEachSenderInItsOrder) {
  constexpr int kSenders = 4;
  constexpr int kEach = 20'000;
  std::array<int, kSenders> next{};
  int arrived = 0;
  int misplaced = 0;
  std::vector<std::thread> senders;
  for (std::size_t who = 0; who < kSenders; who++) {
    senders.emplace_back([&, who] {
      for (int i = 0; i < kEach; i++) {
        loop_->post([&, who, i] {
          if (next[who]++ != i) misplaced++;
          arrived++;
        });
        if (i % 1000 == 0) std::this_thread::sleep_for(50us);  // lets the loop fall asleep in between
      }
    });
  }
  loop_->waitUntil([&] { return arrived == kSenders * kEach; });
  for (std::thread& sender : senders) sender.join();
  EXPECT_EQ(misplaced, 0);
}

TEST_F(LoopRuns, stopFromAnotherThread) {
  std::thread other([this] {
    std::this_thread::sleep_for(5ms);
    loop_->stop();
    loop_->stop();
  });
  loop_->run();
  other.join();
  loop_->stop();
  loop_->run();
}

Task<std::pair<bool, bool>> visit(Loop& there, Loop& here) {
  co_await there.enter();
  const bool arrived = there.isCurrent();
  co_await here.enter();
  co_return std::pair(arrived, here.isCurrent());
}

Task<int> visitOften(Loop& there, Loop& here, int times) {
  int good = 0;
  for (int i = 0; i < times; i++) {
    const auto [arrived, back] = co_await visit(there, here);
    if (arrived && back) good++;
  }
  co_return good;
}

TEST_F(LoopRuns, coroutinesThatHopToAnotherLoopAndBack) {
  LoopThread other(workers_);
  EXPECT_EQ(runTask(*loop_, visitOften(other.loop(), *loop_, 2000)), 2000);
}

Task<Duration> sleepFor(Loop& loop, Duration time) {
  const TimePoint begin = Clock::now();
  const Result<void> slept = co_await loop.sleep(time);
  EXPECT_TRUE(slept.ok());
  co_return Clock::now() - begin;
}

TEST_F(LoopRuns, sleepsOfMicrosecondsNotRoundedToMilliseconds) {
  Duration best = 1s;
  for (int i = 0; i < 20; i++) {
    const Duration took = runTask(*loop_, sleepFor(*loop_, 100us));
    EXPECT_GE(took, 100us);
    best = std::min(best, took);
  }
  EXPECT_LT(best, 1ms);
}

TEST_F(LoopRuns, timersInTheOrderOfTheirDeadlines) {
  std::string order;
  const auto late = loop_->timer(3ms, [&] { order += 'c'; });
  const auto early = loop_->timer(1ms, [&] { order += 'a'; });
  const auto middle = loop_->timer(2ms, [&] { order += 'b'; });
  auto never = loop_->timer(1ms, [&] { order += 'x'; });
  never.reset();
  loop_->waitUntil([&] { return order.size() == 3; });
  EXPECT_EQ(order, "abc");
}

TEST_F(LoopRuns, aTimerThatIsAddedAfterAllOthersAreGone) {
  for (int i = 0; i < 5; i++) {
    bool ran = false;
    const auto timer = loop_->timer(1ms, [&] { ran = true; });
    loop_->waitUntil([&] { return ran; });
    std::this_thread::sleep_for(1ms);
  }
}

TEST_F(LoopRuns, periodicTimersUntilTheyDestroyThemselves) {
  int beats = 0;
  std::unique_ptr<Loop::Watch> timer;
  timer = loop_->timer(
      1ms,
      [&] {
        if (++beats == 3) timer.reset();
      },
      true);
  loop_->waitUntil([&] { return timer == nullptr; });
  EXPECT_EQ(beats, 3);
}

TEST_F(LoopRuns, aWatchThatDestroysItselfInItsCallback) {
  std::array<int, 2> pair{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()), 0);
  const Fd left(pair[0]);
  const Fd right(pair[1]);
  ASSERT_EQ(::write(left.get(), "x", 1), 1);
  std::unique_ptr<Loop::Watch> watch;
  std::string kept(100, 'k');
  watch = loop_->watch(right.get(), Loop::Ready::kRead, [&watch, kept] {
    watch.reset();
    EXPECT_EQ(kept.size(), 100U);
  });
  loop_->waitUntil([&] { return watch == nullptr; });
}

TEST_F(LoopRuns, filesAndTheNullDeviceAsAlwaysReady) {
  for (const char* path : {"/dev/null", "/proc/self/exe", "/"}) {
    const Fd fd(::open(path, O_RDONLY | O_CLOEXEC));
    int times = 0;
    auto watch = loop_->watch(fd.get(), Loop::Ready::kRead, [&] { times++; });
    loop_->waitUntil([&] { return times == 3; });
    watch.reset();
    bool later = false;
    const auto timer = loop_->timer(1ms, [&] { later = true; });
    loop_->waitUntil([&] { return later; });
    EXPECT_EQ(times, 3) << path;
  }
}

Task<Result<void>> readyThenCancelled(Loop& loop, int fd, CancelToken cancel) {
  co_return co_await loop.ready(fd, Loop::Ready::kRead, cancel);
}

TEST_F(LoopRuns, readinessOfADescriptorAndItsCancelling) {
  std::array<int, 2> pair{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()), 0);
  const Fd left(pair[0]);
  const Fd right(pair[1]);
  const CancelSource source;
  std::thread other([&] {
    std::this_thread::sleep_for(2ms);
    source.cancel(Error("enough"));
  });
  const Result<void> cancelled = runTask(*loop_, readyThenCancelled(*loop_, right.get(), source.token()));
  other.join();
  ASSERT_FALSE(cancelled.ok());
  EXPECT_EQ(cancelled.error().message(), "enough");
  ASSERT_EQ(::write(left.get(), "x", 1), 1);
  EXPECT_TRUE(runTask(*loop_, readyThenCancelled(*loop_, right.get(), CancelToken())).ok());
}

TEST_F(LoopRuns, signalsAsCallbacks) {
  int heard = 0;
  const auto watch = loop_->signal(SIGUSR1, [&] { heard++; });
  ::kill(::getpid(), SIGUSR1);
  loop_->waitUntil([&] { return heard == 1; });
}

struct CountRounds : Loop::RoundEnd {
  void endOfRound() override { rounds++; }
  int rounds = 0;
};

TEST_F(LoopRuns, roundEndsAfterTheMailOfTheRound) {
  CountRounds hook;
  loop_->addRoundEnd(hook);
  int mails = 0;
  int roundsBeforeLastMail = -1;
  for (int i = 0; i < 10; i++) {
    loop_->post([&] {
      mails++;
      roundsBeforeLastMail = hook.rounds;
    });
  }
  loop_->waitUntil([&] { return mails == 10; });
  EXPECT_EQ(roundsBeforeLastMail, 0);
  EXPECT_EQ(hook.rounds, 1);
  loop_->removeRoundEnd(hook);
  bool ran = false;
  loop_->post([&] { ran = true; });
  loop_->waitUntil([&] { return ran; });
  EXPECT_EQ(hook.rounds, 1);
}

// Sends at the end of a round what was given to it, as a stream of a chardev does.
class Sender final : public Loop::RoundEnd {
 public:
  explicit Sender(Loop& loop) : loop_(loop) { loop_.addRoundEnd(*this); }
  ~Sender() override { loop_.removeRoundEnd(*this); }
  void give() {
    ++given_;
    loop_.wantRoundEnd();
  }
  void endOfRound() override { sent += std::exchange(given_, 0); }
  int sent = 0;

 private:
  Loop& loop_;
  int given_ = 0;
};

// Completes something at the end of a round, as a file engine does.
class Completer final : public Loop::RoundEnd {
 public:
  Completer(Loop& loop, Sender& sender) : loop_(loop), sender_(sender) { loop_.addRoundEnd(*this); }
  ~Completer() override { loop_.removeRoundEnd(*this); }
  void endOfRound() override {
    if (std::exchange(left, 0) != 0) sender_.give();
  }
  int left = 0;

 private:
  Loop& loop_;
  Sender& sender_;
};

TEST(LoopRoundEnds, whatALaterEndGivesToAnEarlierOneLeavesBeforeTheLoopSleeps) {
  WorkerPool workers;
  const std::unique_ptr<Loop> loop = *Loop::create("test", workers);
  Sender sender(*loop);
  Completer completer(*loop, sender);
  completer.left = 1;
  int rounds = 0;
  loop->post([] {});
  loop->waitUntil([&] { return ++rounds == 1; });
  EXPECT_EQ(sender.sent, 1);
}

}  // namespace
}  // namespace rhea
