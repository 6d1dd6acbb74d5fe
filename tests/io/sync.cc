#include "emu/io/sync.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/support/loops.h"
#include "tests/support/run-task.h"

namespace rhea {
namespace {

using namespace std::chrono_literals;
using test::LoopThread;
using test::runTask;

class Sync : public test::LoopTest {
 protected:
  LoopThread left_{workers_, "left"};
  LoopThread right_{workers_, "right"};
};

Task<void> countUnder(Mutex& mutex, int& counter, int times) {
  Loop* const home = Loop::current();
  for (int i = 0; i < times; i++) {
    const Mutex::Lock lock = co_await mutex.lock();
    if (!home->isCurrent()) std::terminate();
    counter++;
  }
}

Task<void> joinAll(TaskGroup& group) { co_await group.join(); }

TEST_F(Sync, aMutexCountsRightlyAcrossLoopsAndResumesAtHome) {
  Mutex mutex;
  int counter = 0;
  TaskGroup group;
  constexpr int kTimes = 2000;
  for (int i = 0; i < 4; i++) {
    group.spawnOn(left_.loop(), countUnder(mutex, counter, kTimes));
    group.spawnOn(right_.loop(), countUnder(mutex, counter, kTimes));
    group.spawnOn(*loop_, countUnder(mutex, counter, kTimes));
  }
  runTask(*loop_, joinAll(group));
  EXPECT_EQ(counter, 12 * kTimes);
  EXPECT_FALSE(mutex.isLocked());
}

Task<void> takeTurn(Mutex& mutex, std::vector<int>& order, int who) {
  const Mutex::Lock lock = co_await mutex.lock();
  order.push_back(who);
}

TEST_F(Sync, aMutexServesInTheOrderOfAskingAcrossLoops) {
  Mutex mutex;
  std::vector<int> order;
  TaskGroup group;
  Mutex::Lock held = runTask(*loop_, mutex.lock());
  for (int who = 0; who < 20; who++) {
    std::atomic<bool> asked{false};
    Loop& there = who % 2 == 0 ? left_.loop() : right_.loop();
    group.spawnOn(there, takeTurn(mutex, order, who));
    // Mail of one sender keeps its order: once this arrived, the task before it has asked.
    there.post([&asked] { asked = true; });
    while (!asked) std::this_thread::yield();
  }
  held.unlock();
  runTask(*loop_, joinAll(group));
  std::vector<int> expected(20);
  for (int who = 0; who < 20; who++) expected[static_cast<std::size_t>(who)] = who;
  EXPECT_EQ(order, expected);
}

Task<void> acquireOrGiveUp(Semaphore& semaphore, std::uint64_t count, CancelToken cancel, std::atomic<int>& taken) {
  const Result<void> acquired = co_await semaphore.acquire(count, cancel);
  if (!acquired.ok()) co_return;
  taken.fetch_add(1);
  semaphore.release(count);
}

// A grant and a cancel race; whoever wins, no permit is lost and nobody waits for ever.
TEST_F(Sync, aSemaphoreKeepsItsPermitsWhenCancelsRaceGrants) {
  Semaphore semaphore(3);
  std::atomic<int> taken{0};
  for (int round = 0; round < 400; round++) {
    TaskGroup group;
    CancelSource source;
    for (int i = 0; i < 6; i++) {
      Loop& there = i % 2 == 0 ? left_.loop() : right_.loop();
      group.spawnOn(there, acquireOrGiveUp(semaphore, 1 + static_cast<std::uint64_t>(i) % 3, source.token(), taken));
    }
    if (round % 3 == 0) std::this_thread::sleep_for(10us);
    source.cancel(Error("enough"));
    runTask(*loop_, joinAll(group));
    ASSERT_EQ(semaphore.available(), 3U);
  }
}

TEST_F(Sync, aSemaphoreLetsSmallWishesPassWhenABigOneInFrontIsCancelled) {
  Semaphore semaphore(2);
  ASSERT_TRUE(semaphore.tryAcquire(1));
  CancelSource source;
  std::atomic<int> taken{0};
  TaskGroup group;
  bool asked = false;
  loop_->post([&] {
    group.spawn(acquireOrGiveUp(semaphore, 2, source.token(), taken));
    group.spawn(acquireOrGiveUp(semaphore, 1, {}, taken));
    asked = true;
  });
  loop_->waitUntil([&] { return asked; });
  EXPECT_EQ(taken, 0) << "first come, first served";
  EXPECT_FALSE(semaphore.tryAcquire(1)) << "nobody overtakes";
  source.cancel(Error("enough"));
  runTask(*loop_, joinAll(group));
  EXPECT_EQ(taken, 1);
  EXPECT_EQ(semaphore.available(), 1U);
}

Task<Result<void>> waitFor(Event& event, CancelToken cancel) { co_return co_await event.wait(cancel); }

Task<void> waitAndCount(Event& event, CancelToken cancel, std::atomic<int>& woken) {
  const Result<void> waited = co_await event.wait(cancel);
  if (waited.ok()) woken.fetch_add(1);
}

TEST_F(Sync, anEventWakesAllThatWaitWherever) {
  Event event;
  std::atomic<int> woken{0};
  TaskGroup group;
  for (int i = 0; i < 10; i++) {
    group.spawnOn(i % 2 == 0 ? left_.loop() : right_.loop(), waitAndCount(event, {}, woken));
  }
  std::this_thread::sleep_for(1ms);
  event.set();
  runTask(*loop_, joinAll(group));
  EXPECT_EQ(woken, 10);
  EXPECT_TRUE(runTask(*loop_, waitFor(event, {})).ok()) << "it stays set";
  event.reset();
  EXPECT_FALSE(event.isSet());
}

Task<void> setIt(Event& event) {
  event.set();
  co_return;
}

TEST_F(Sync, anEventMayBeSetAndCancelledAtOnce) {
  for (int round = 0; round < 400; round++) {
    Event event;
    CancelSource source;
    std::atomic<int> woken{0};
    TaskGroup group;
    group.spawnOn(left_.loop(), waitAndCount(event, source.token(), woken));
    group.spawnOn(right_.loop(), waitAndCount(event, source.token(), woken));
    group.spawnOn(right_.loop(), setIt(event));
    source.cancel(Error("enough"));
    runTask(*loop_, joinAll(group));
  }
}

TEST_F(Sync, aCancelledWaitGivesTheReason) {
  Event event;
  CancelSource source;
  source.cancel(Error("the client went away"));
  source.cancel(Error("too late"));
  const Result<void> waited = runTask(*loop_, waitFor(event, source.token()));
  ASSERT_FALSE(waited.ok());
  EXPECT_EQ(waited.error().message(), "the client went away");
}

Task<void> hopOften(Loop& there, Loop& home, int times) {
  for (int i = 0; i < times; i++) {
    co_await there.enter();
    co_await home.enter();
  }
}

// The group ends right after its last task, which finishes on another thread.
TEST_F(Sync, aTaskGroupMayEndAsSoonAsItWasJoined) {
  for (int round = 0; round < 500; round++) {
    TaskGroup group;
    group.spawnOn(left_.loop(), hopOften(right_.loop(), left_.loop(), round % 3));
    group.spawnOn(right_.loop(), hopOften(left_.loop(), right_.loop(), round % 2));
    runTask(*loop_, joinAll(group));
    ASSERT_EQ(group.running(), 0U);
  }
}

Task<void> useAndDestroy(std::unique_ptr<Mutex>& mutex, Mutex::Lock& held) {
  held.unlock();
  { const Mutex::Lock mine = co_await mutex->lock(); }
  mutex.reset();
}

Task<void> lockOnce(Mutex& mutex) { const Mutex::Lock lock = co_await mutex.lock(); }

// Whoever holds the lock last may destroy the mutex, while the one before is still on its way out of unlock().
TEST_F(Sync, aMutexMayBeDestroyedByItsLastHolder) {
  for (int round = 0; round < 300; round++) {
    auto mutex = std::make_unique<Mutex>();
    TaskGroup group;
    Mutex::Lock held = runTask(*loop_, mutex->lock());
    std::atomic<bool> asked{false};
    group.spawnOn(left_.loop(), lockOnce(*mutex));
    left_.loop().post([&asked] { asked = true; });
    while (!asked) std::this_thread::yield();
    group.spawnOn(right_.loop(), useAndDestroy(mutex, held));
    runTask(*loop_, joinAll(group));
    ASSERT_EQ(mutex, nullptr);
  }
}

}  // namespace
}  // namespace rhea
