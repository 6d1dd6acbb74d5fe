// The guest's time runs while the machine runs; its timers fire in order, and not before.
#include "emu/object/virtual-clock.h"

#include <gtest/gtest.h>

#include <future>

namespace rhea::object {
namespace {

constexpr VirtualTime kMillisecond = 1'000'000;

TEST(VirtualClock, StandsUntilItIsStartedAndWhileItIsStopped) {
  VirtualClock clock;
  EXPECT_EQ(clock.now(), 0);
  clock.start();
  while (clock.now() < kMillisecond) {
  }
  clock.stop();
  const VirtualTime stopped = clock.now();
  std::this_thread::sleep_for(std::chrono::milliseconds(3));
  EXPECT_EQ(clock.now(), stopped);
  clock.start();
  EXPECT_GE(clock.now(), stopped);
  EXPECT_LT(clock.now(), stopped + 1000 * kMillisecond);
}

// Two threads that show each other what they saw, until the clock has begun to follow the host's counter and after.
TEST(VirtualClock, NoThreadSeesItGoBackBehindWhatAnotherSaw) {
  VirtualClock clock;
  std::atomic<VirtualTime> latest{0};
  std::atomic<int> rounds{0};
  std::atomic<bool> back{false};
  const bool steady = hostTicksAreSteady();
  clock.start();
  const auto look = [&] {
    while (rounds.load() < 200'000) {
      const VirtualTime seen = latest.load();
      const VirtualTime now = clock.now();
      if (now < seen) back = true;
      VirtualTime before = latest.load();
      while (before < now && !latest.compare_exchange_weak(before, now)) {
      }
      if (clock.scale().valid.load() != 0 || !steady) ++rounds;
    }
  };
  std::thread other(look);
  look();
  other.join();
  EXPECT_FALSE(back);
  const VirtualTime before = clock.now();
  clock.stop();
  EXPECT_EQ(clock.scale().valid.load(), 0U);
  EXPECT_GE(clock.now(), before);
  const VirtualTime stopped = clock.now();
  clock.start();
  EXPECT_GE(clock.now(), stopped);
}

TEST(VirtualClock, TimersFireInTheOrderOfTheirTimes) {
  VirtualClock clock;
  std::mutex mutex;
  std::string order;
  std::promise<void> done;
  const auto note = [&](char c) {
    const std::scoped_lock lock(mutex);
    order += c;
    if (order.size() == 3) done.set_value();
  };
  VirtualClock::Timer a(clock, [&] { note('a'); }), b(clock, [&] { note('b'); }), c(clock, [&] { note('c'); });
  a.arm(3 * kMillisecond);
  b.arm(kMillisecond);
  c.arm(2 * kMillisecond);
  clock.start();
  done.get_future().wait();
  EXPECT_EQ(order, "bca");
  EXPECT_GE(clock.now(), 3 * kMillisecond);
  EXPECT_EQ(a.deadline(), kNoTime);
}

TEST(VirtualClock, ATimerOfAStoppedMachineWaits) {
  VirtualClock clock;
  std::atomic<int> fired{0};
  VirtualClock::Timer timer(clock, [&] { ++fired; });
  timer.arm(0);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(fired.load(), 0);
  clock.start();
  while (fired.load() == 0) std::this_thread::yield();
  timer.arm(clock.now() + 3'600'000 * kMillisecond);
  timer.cancel();
  EXPECT_EQ(timer.deadline(), kNoTime);
}

TEST(VirtualClock, NoCallbackRunsBehindAStop) {
  VirtualClock clock;
  std::promise<void> begun;
  std::atomic<bool> done{false};
  VirtualClock::Timer timer(clock, [&] {
    begun.set_value();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    done = true;
  });
  clock.start();
  timer.arm(1);
  begun.get_future().wait();
  clock.stop();
  EXPECT_TRUE(done);
}

TEST(VirtualClock, ATimerCanArmItselfAgainAndBeArmedEarlierMeanwhile) {
  VirtualClock clock;
  std::promise<void> done;
  int count = 0;
  VirtualClock::Timer* self = nullptr;
  VirtualClock::Timer timer(clock, [&] {
    if (++count == 5) {
      done.set_value();
    } else {
      self->arm(clock.now());
    }
  });
  self = &timer;
  clock.start();
  timer.arm(clock.now() + 3'600'000 * kMillisecond);
  timer.arm(clock.now() + kMillisecond);
  done.get_future().wait();
  EXPECT_EQ(count, 5);
}

// Until the clock's thread sleeps.
VirtualTime alarmOf(const VirtualClock& clock) {
  for (;;) {
    if (const std::optional<VirtualTime> at = clock.alarm()) return *at;
    std::this_thread::yield();
  }
}

constexpr VirtualTime kHour = 3'600'000 * kMillisecond;

TEST(VirtualClock, SleepsUntilTheFirstTimerAndForOneThatWasPutOffWhenNobodySettles) {
  VirtualClock clock;
  clock.start();
  EXPECT_EQ(alarmOf(clock), kNoTime);
  VirtualClock::Timer late(clock, [] {}), early(clock, [] {});
  late.arm(3 * kHour);
  EXPECT_EQ(alarmOf(clock), 3 * kHour);
  early.arm(kHour);
  EXPECT_EQ(alarmOf(clock), kHour);
  early.arm(2 * kHour);
  EXPECT_EQ(alarmOf(clock), kHour);  // a guest that runs will put it off again
  clock.settle();
  EXPECT_EQ(alarmOf(clock), 2 * kHour);
  early.cancel();
  clock.settle();
  EXPECT_EQ(alarmOf(clock), 3 * kHour);
  late.cancel();
  clock.settle();
  EXPECT_EQ(alarmOf(clock), kNoTime);
}

TEST(VirtualClock, TimersThatBearBeingLateShareAWakeUpAndOthersAreNotLate) {
  VirtualClock clock;
  clock.start();
  VirtualClock::Timer beat(clock, [] {}), other(clock, [] {}), moment(clock, [] {});
  beat.arm(kHour, 50'000);
  EXPECT_EQ(alarmOf(clock), kHour + 50'000);
  other.arm(kHour + 60'000, 50'000);
  EXPECT_EQ(alarmOf(clock), kHour + 50'000);
  moment.arm(kHour + 30'000);
  EXPECT_EQ(alarmOf(clock), kHour + 30'000);
  moment.arm(kHour - 1);
  EXPECT_EQ(alarmOf(clock), kHour - 1);
  moment.arm(kNoTime);
  beat.arm(kNoTime, 50'000);
  clock.settle();
  EXPECT_EQ(alarmOf(clock), kHour + 110'000);
}

TEST(VirtualClock, ATimerOfTheFarFutureWithSlackIsNoTimeOfThePast) {
  VirtualClock clock;
  clock.start();
  VirtualClock::Timer far(clock, [] {});
  far.arm(kNoTime - 1, 50'000);
  EXPECT_EQ(alarmOf(clock), kNoTime);
}

}  // namespace
}  // namespace rhea::object
