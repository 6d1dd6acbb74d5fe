// What a Task, a hop between loops and a wait cost.
//
//   BUILD/bench/tasks
#include <thread>

#include "emu/base/base.h"
#include "emu/io/loop.h"
#include "emu/io/offload.h"
#include "emu/io/sync.h"

namespace rhea {
namespace {

constexpr int kRepeats = 5;  // the best counts

Task<int> answer(int value) { co_return value; }

Task<void> awaitAtOnce(int times, std::int64_t& sum) {
  for (int i = 0; i < times; i++) sum += co_await answer(i);
}

Task<int> deep(int levels) {
  if (levels == 0) co_return 1;
  co_return co_await deep(levels - 1) + 1;
}

Task<void> awaitDeep(int times, std::int64_t& sum) {
  for (int i = 0; i < times; i++) sum += co_await deep(10);
}

// Suspends, and goes on from the loop's next round.
struct Yield : Loop::Mail {
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    waiter = handle;
    run = [](Mail* mail) { static_cast<Yield*>(mail)->waiter.resume(); };
    Loop::current()->post(static_cast<Mail&>(*this));
  }
  void await_resume() const noexcept {}
  std::coroutine_handle<> waiter;
};

Task<int> answerLater(int value) {
  Yield yield;
  co_await yield;
  co_return value;
}

Task<void> awaitLater(int times, std::int64_t& sum) {
  for (int i = 0; i < times; i++) sum += co_await answerLater(i);
}

Task<void> hop(int times, Loop& there, Loop& here) {
  for (int i = 0; i < times; i++) {
    co_await there.enter();
    co_await here.enter();
  }
}

Task<void> lockAlone(int times, Mutex& mutex) {
  for (int i = 0; i < times; i++) {
    const Mutex::Lock lock = co_await mutex.lock();
  }
}

Task<void> offloadOften(int times) {
  auto nothing = [] {};
  for (int i = 0; i < times; i++) co_await offload(nothing);
}

Task<void> sleepBriefly(int times, Loop& loop) {
  for (int i = 0; i < times; i++) {
    const Result<void> slept = co_await loop.sleep(Duration(1));
    if (!slept.ok()) std::abort();
  }
}

Task<void> runAndTell(Task<void> task, bool& ended) {
  co_await std::move(task);
  ended = true;
}

template <class Make>
void measure(Loop& loop, const char* what, int times, Make make) {
  double best = 1e300;
  for (int repeat = 0; repeat < kRepeats; repeat++) {
    bool ended = false;
    const TimePoint begin = Clock::now();
    loop.post([&] { loop.spawn(runAndTell(make(times), ended)); });
    loop.waitUntil([&] { return ended; });
    const std::chrono::duration<double, std::nano> took = Clock::now() - begin;
    best = std::min(best, took.count() / times);
  }
  fmt::print("{:<52}{:>10.1f} ns\n", what, best);
}

}  // namespace
}  // namespace rhea

int main() {
  using namespace rhea;
  WorkerPool workers;
  const std::unique_ptr<Loop> loop = Loop::create("bench", workers).value();
  const std::unique_ptr<Loop> other = Loop::create("other", workers).value();
  std::thread thread([&] { other->run(); });
  std::int64_t sum = 0;
  Mutex mutex;
  fmt::print("each, best of {} runs\n", kRepeats);
  measure(*loop, "await a task that completes at once", 2'000'000, [&](int n) { return awaitAtOnce(n, sum); });
  measure(*loop, "await eleven nested tasks that complete at once", 200'000, [&](int n) { return awaitDeep(n, sum); });
  measure(*loop, "await a task that completes in the next round", 500'000, [&](int n) { return awaitLater(n, sum); });
  measure(*loop, "hop to another loop and back, both asleep", 20'000, [&](int n) { return hop(n, *other, *loop); });
  measure(*loop, "lock and unlock a free mutex", 500'000, [&](int n) { return lockAlone(n, mutex); });
  measure(*loop, "offload nothing to a worker and come back", 20'000, [&](int n) { return offloadOften(n); });
  measure(*loop, "sleep for a nanosecond", 20'000, [&](int n) { return sleepBriefly(n, *loop); });
  other->stop();
  thread.join();
  return sum == 0 ? 1 : 0;
}
