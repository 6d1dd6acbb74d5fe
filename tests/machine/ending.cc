#include "emu/machine/ending.h"

#include <gtest/gtest.h>

#include "emu/io/offload.h"

namespace rhea::machine {
namespace {

class Events final : public EventSink {
 public:
  void emit(const EventInfo& event, std::string data, std::string_view) override {
    heard.push_back(fmt::format("{} {}", event.name, data));
  }
  std::vector<std::string> heard;
};

// Disks whose flush ends when told.
class Disks final : public Ending::Data {
 public:
  Task<std::vector<std::string>> flushAll(CancelToken giveUp) override {
    ++flushes;
    Result<void> waited = co_await ready.wait(giveUp);
    if (!waited.ok()) co_return std::vector<std::string>(1, "disk0: " + waited.error().message());
    co_return failures;
  }

  Event ready;
  std::vector<std::string> failures;
  int flushes = 0;
};

class EndingTest : public ::testing::Test {
 protected:
  EndingTest() : loop_(*Loop::create("test", workers_)), log_(quiet()) {}

  static Log::Settings quiet() {
    Log::Settings settings;
    settings.fd = -1;
    return settings;
  }
  void make(std::chrono::milliseconds flushTime) {
    Ending::Settings settings;
    settings.flushTime = flushTime;
    // The thread that ends a stuck process must not end this test's.
    settings.teardownTime = std::chrono::hours(1);
    ending_ = std::make_unique<Ending>(*loop_, events_, log_, settings);
    ending_->setData(&disks_);
  }
  // Runs until the ending is over.
  Ending::Outcome run(std::function<void()> first) {
    std::optional<Ending::Outcome> outcome;
    auto waitForEnd = [](Ending& ending, Loop& loop, std::optional<Ending::Outcome>& to) -> Task<void> {
      to = co_await ending.wait();
      loop.stop();
    };
    loop_->post([&] {
      loop_->spawn(waitForEnd(*ending_, *loop_, outcome));
      first();
    });
    loop_->run();
    return *outcome;
  }

  WorkerPool workers_;
  std::unique_ptr<Loop> loop_;
  Log log_;
  Events events_;
  Disks disks_;
  std::unique_ptr<Ending> ending_;
};

TEST_F(EndingTest, FlushesThenIsOver) {
  make(std::chrono::seconds(60));
  disks_.ready.set();
  const Ending::Outcome outcome = run([this] { ending_->request(qapi::ShutdownCause::hostQmpQuit); });
  EXPECT_EQ(outcome.status, 0);
  EXPECT_TRUE(outcome.complete);
  EXPECT_EQ(disks_.flushes, 1);
  EXPECT_EQ(events_.heard, std::vector<std::string>{R"(SHUTDOWN {"guest": false, "reason": "host-qmp-quit"})"});
}

TEST_F(EndingTest, FailedFlushIsAnExitStatus) {
  make(std::chrono::seconds(60));
  disks_.failures = {"disk0: I/O error"};
  disks_.ready.set();
  const Ending::Outcome outcome = run([this] { ending_->request(qapi::ShutdownCause::hostSignal); });
  EXPECT_EQ(outcome.status, 1);
  EXPECT_TRUE(outcome.complete);
}

TEST_F(EndingTest, GivesUpWhenTheTimeIsOver) {
  make(std::chrono::milliseconds(20));
  const Ending::Outcome outcome = run([this] { ending_->request(qapi::ShutdownCause::hostSignal); });
  EXPECT_EQ(outcome.status, 1);
  EXPECT_FALSE(outcome.complete);
}

TEST_F(EndingTest, SecondRequestDoesNotWait) {
  make(std::chrono::seconds(60));
  const auto begin = Clock::now();
  const Ending::Outcome outcome = run([this] {
    ending_->request(qapi::ShutdownCause::hostQmpQuit);
    ending_->request(qapi::ShutdownCause::hostQmpQuit);
  });
  EXPECT_EQ(outcome.status, 1);
  EXPECT_FALSE(outcome.complete);
  EXPECT_LT(Clock::now() - begin, std::chrono::seconds(10));
  EXPECT_EQ(events_.heard.size(), 1U);
}

}  // namespace
}  // namespace rhea::machine
