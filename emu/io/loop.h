// Loop: the event loop of one thread, on libevent (which only loop.cc includes).
//
// One loop runs on the main thread and one on each I/O thread. Code that runs on a loop must never wait: what can hang
// (open, stat, close, name look-up) goes through offload(), file I/O through the loop's FileEngine, the rest through
// the awaitables below. post() and enter() may be called from any thread; everything else belongs to the loop's own.
#pragma once

#include "emu/base/base.h"
#include "emu/io/cancel.h"
#include "emu/io/task.h"

namespace rhea {

class FileEngine;
class Mailbox;
class WorkerPool;
enum class FileEngineKind : std::uint8_t;

using Clock = std::chrono::steady_clock;
using Duration = Clock::duration;
using TimePoint = Clock::time_point;

class Loop {
 public:
  // A node of the mailbox; lives in the sender's memory until run() is called on the loop's thread.
  struct Mail {
    Mail* next = nullptr;
    void (*run)(Mail*) = nullptr;
  };

  // `name` is the thread's name in ps and in logs ("main", an iothread's id).
  // `workers` runs what may block for this loop (offload, the thread file engine) and outlives it.
  static Result<std::unique_ptr<Loop>> create(std::string name, WorkerPool& workers);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs until stop(); the calling thread becomes the loop's thread.
  void run();
  // Runs rounds until `done` says so at a round's end; for ends of life and tests, where run() does not run.
  void waitUntil(const std::function<bool()>& done);
  // Lets run() return after the current round; from any thread.
  void stop();
  const std::string& name() const { return name_; }
  bool isCurrent() const { return current() == this; }
  WorkerPool& workers() const { return workers_; }
  // The loop of the calling thread, null outside of any.
  static Loop* current();

  // Lock-free; wakes the loop where it sleeps. Order of one sender is kept.
  void post(Mail& mail);
  // As above for a closure; allocates.
  void post(std::function<void()> work);
  // The mailbox alone, for work that may end after this loop does; see mailbox.h.
  std::shared_ptr<Mailbox> mailbox() const;
  // Starts a task on this loop that nobody waits for; from any thread. On the loop itself it starts at once.
  void spawn(Task<void> task);

  // `co_await loop.enter()`: the rest of the coroutine runs on this loop. No cost when already there.
  auto enter() { return EnterAwaiter(*this); }

  // Ends of round: after all ready events of a round ran, in the order of registration. Engines submit in batches here,
  // streams send what was written to them. What ends a round may make work for another end that had its turn already (a
  // completion answers a client, a drained client reads a command that starts I/O): whoever takes in work for its end
  // says so by wantRoundEnd(), and the ends run again before the loop sleeps.
  class RoundEnd {
   public:
    virtual ~RoundEnd() = default;
    virtual void endOfRound() = 0;
  };
  void addRoundEnd(RoundEnd& hook);
  void removeRoundEnd(RoundEnd& hook);
  void wantRoundEnd();

  // Calls back while `fd` is readable/writable until the Watch is destroyed. Own thread only. Files and /dev/null are
  // always ready, as poll() has it.
  // kReadEdge: at each new readiness only, for eventfds that are never read.
  enum class Ready : std::uint8_t { kRead = 1, kWrite = 2, kReadEdge = 3 };
  class Watch {
   public:
    virtual ~Watch() = default;
  };
  [[nodiscard]] std::unique_ptr<Watch> watch(int fd, Ready what, std::function<void()> callback);
  // One shot or periodic timer; destroyed = stopped.
  [[nodiscard]] std::unique_ptr<Watch> timer(Duration delay, std::function<void()> callback, bool periodic = false);
  // Process signal, delivered on this loop; one loop of the process only.
  [[nodiscard]] std::unique_ptr<Watch> signal(int number, std::function<void()> callback);

  // Awaitables. Errors: the token's reason.
  Task<Result<void>> sleep(Duration duration, CancelToken cancel = {});
  Task<Result<void>> ready(int fd, Ready what, CancelToken cancel = {});

  // The loop's file I/O engine of a kind, made at first use; see file-engine.h.
  Result<FileEngine*> fileEngine(FileEngineKind kind);

 private:
  class EnterAwaiter : Mail {
   public:
    explicit EnterAwaiter(Loop& loop) : loop_(loop) {}
    bool await_ready() const noexcept { return loop_.isCurrent(); }
    void await_suspend(std::coroutine_handle<> waiter) {
      waiter_ = waiter;
      run = [](Mail* mail) { static_cast<EnterAwaiter*>(mail)->waiter_.resume(); };
      loop_.post(static_cast<Mail&>(*this));
    }
    void await_resume() const noexcept {}

   private:
    Loop& loop_;
    std::coroutine_handle<> waiter_;
  };

  struct Impl;
  Loop(std::string name, WorkerPool& workers);
  std::string name_;
  WorkerPool& workers_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rhea
