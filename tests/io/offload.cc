#include "emu/io/offload.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "emu/io/sync.h"
#include "tests/support/loops.h"
#include "tests/support/run-task.h"

namespace rhea {
namespace {

using namespace std::chrono_literals;
using test::runTask;

class Offload : public test::LoopTest {};

Task<std::thread::id> whereBlockingRuns() {
  auto ask = [] { return std::this_thread::get_id(); };
  const std::thread::id there = co_await offload(ask);
  co_return there;
}

TEST_F(Offload, runsOnAnotherThreadAndComesBack) {
  const auto there = runTask(*loop_, whereBlockingRuns());
  EXPECT_NE(there, std::this_thread::get_id());
}

Task<void> sleepBlocking(std::atomic<int>& running, std::atomic<bool>& go) {
  auto hang = [&running, &go] {
    running.fetch_add(1);
    go.wait(false);
  };
  co_await offload(hang);
}

TEST_F(Offload, hungWorkDoesNotTakeTheOthersWithIt) {
  std::atomic<int> hung{0};
  std::atomic<bool> go{false};
  TaskGroup group;
  for (int i = 0; i < 10; i++) group.spawnOn(*loop_, sleepBlocking(hung, go));
  loop_->waitUntil([&] {
    loop_->post([] {});
    return hung == 10;
  });
  EXPECT_NE(runTask(*loop_, whereBlockingRuns()), std::this_thread::get_id());
  EXPECT_GE(workers_.threads(), 10U);
  go = true;
  go.notify_all();
  runTask(*loop_, group.join());
}

TEST(WorkerPool, keepsToItsBoundAndStillDoesAll) {
  std::atomic<int> done{0};
  {
    WorkerPool pool(3);
    for (int i = 0; i < 300; i++) {
      pool.submit([&done] {
        std::this_thread::sleep_for(10us);
        done.fetch_add(1);
      });
    }
    EXPECT_LE(pool.threads(), 3U);
  }
  EXPECT_EQ(done, 300);
}

// What hangs may come back after the pool and its loop are gone; it finds a closed mailbox.
TEST(WorkerPool, leavesHungWorkBehind) {
  const auto go = std::make_shared<std::atomic<bool>>(false);
  const auto back = std::make_shared<std::atomic<bool>>(false);
  {
    WorkerPool pool;
    pool.submit([go, back] {
      go->wait(false);
      *back = true;
      back->notify_all();
    });
  }
  EXPECT_FALSE(*back);
  *go = true;
  go->notify_all();
  back->wait(false);
}

Task<bool> closes(Fd fd) {
  const int number = fd.get();
  co_await closeOffLoop(std::move(fd));
  co_return ::fcntl(number, F_GETFD) == -1;
}

TEST_F(Offload, closesDescriptorsOffTheLoop) { EXPECT_TRUE(runTask(*loop_, closes(Fd(::dup(0))))); }

TEST(Fd, duplicatesWithCloseOnExec) {
  Fd fd(::dup(0));
  const Result<Fd> copy = fd.duplicate();
  ASSERT_TRUE(copy.ok());
  EXPECT_EQ(::fcntl(copy->get(), F_GETFD), FD_CLOEXEC);
  const int number = fd.get();
  fd.reset();
  EXPECT_FALSE(fd.valid());
  EXPECT_EQ(::fcntl(number, F_GETFD), -1);
  EXPECT_FALSE(fd.duplicate().ok());
}

}  // namespace
}  // namespace rhea
