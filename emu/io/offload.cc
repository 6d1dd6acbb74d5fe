#include "emu/io/offload.h"

#include <pthread.h>

#include <condition_variable>
#include <csignal>
#include <thread>

#include "emu/base/bug.h"
#include "emu/io/loop-impl.h"

namespace rhea {

namespace {

constexpr std::chrono::seconds kIdleTime{10};  // a thread without work ends after this
constexpr std::chrono::seconds kPatience{2};   // how long the pool's end waits for work that runs

}  // namespace

// Shared by the pool and its threads: a hung thread may outlive the pool.
struct WorkerPool::Impl {
  Impl(unsigned most, std::string theName) : maxThreads(most), name(std::move(theName)) {}

  const unsigned maxThreads;
  const std::string name;
  std::mutex guard;
  std::condition_variable workCame;
  std::condition_variable threadEnded;
  Loop::Mail* first = nullptr;  // the queue
  Loop::Mail* last = nullptr;
  std::size_t queued = 0;
  unsigned threads = 0;
  unsigned idle = 0;
  bool ending = false;

  void work();
};

void WorkerPool::Impl::work() {
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
  std::unique_lock lock(guard);
  while (true) {
    if (Loop::Mail* const next = first; next != nullptr) {
      first = next->next;
      queued--;
      lock.unlock();
      next->run(next);
      lock.lock();
      continue;
    }
    if (ending) break;
    idle++;
    const bool woken = workCame.wait_for(lock, kIdleTime, [this] { return queued != 0 || ending; });
    idle--;
    if (!woken) break;
  }
  threads--;
  threadEnded.notify_all();
}

WorkerPool::WorkerPool(unsigned maxThreads, std::string name)
    : impl_(std::make_shared<Impl>(maxThreads, std::move(name))) {}

WorkerPool::~WorkerPool() {
  std::unique_lock lock(impl_->guard);
  impl_->ending = true;
  impl_->workCame.notify_all();
  impl_->threadEnded.wait_for(lock, kPatience, [this] { return impl_->threads == 0; });
}

void WorkerPool::submit(std::function<void()> work) { submit(*new ClosureMail(std::move(work))); }

void WorkerPool::submit(Loop::Mail& work) {
  if (impl_->maxThreads == 0) {
    work.run(&work);
    return;
  }
  std::unique_lock lock(impl_->guard);
  work.next = nullptr;
  (impl_->first == nullptr ? impl_->first : impl_->last->next) = &work;
  impl_->last = &work;
  impl_->queued++;
  // Queued work counts against the idle threads: each of them takes one piece.
  if (impl_->idle >= impl_->queued || impl_->threads == impl_->maxThreads) {
    lock.unlock();
    impl_->workCame.notify_one();
    return;
  }
  impl_->threads++;
  // Signals are for the main loop: a worker takes none.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    std::thread([impl = impl_] { impl->work(); }).detach();
  } catch (const std::system_error&) {
    // No more threads on this host: the ones that are there take it; without any, nothing would ever run.
    if (--impl_->threads == 0) bug("the host gives no thread for blocking work");
    impl_->workCame.notify_one();
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

bool WorkerPool::hasThreads() const { return impl_->maxThreads != 0; }

unsigned WorkerPool::threads() const {
  const std::lock_guard lock(impl_->guard);
  return impl_->threads;
}

detail::OffloadAwaiter::OffloadAwaiter(std::function<void()> work) : work_(std::move(work)) {}
detail::OffloadAwaiter::~OffloadAwaiter() = default;

void detail::OffloadAwaiter::await_suspend(std::coroutine_handle<> waiter) {
  Loop* const home = Loop::current();
  if (home == nullptr) bug("offload outside of any loop");
  waiter_ = waiter;
  home_ = home->mailbox();
  run = &OffloadAwaiter::work;
  home->workers().submit(static_cast<Mail&>(*this));
}

void detail::OffloadAwaiter::work(Mail* mail) {
  auto* self = static_cast<OffloadAwaiter*>(mail);
  self->work_();
  self->run = [](Mail* back) { static_cast<OffloadAwaiter*>(back)->waiter_.resume(); };
  // The work may come back after its loop's end: then the closed mailbox refuses, and the frame is left as it is.
  const std::shared_ptr<Mailbox> home = self->home_;
  home->put(*self);
}

Task<void> closeOffLoop(Fd fd) {
  auto close = [&fd] { fd.reset(); };
  co_await offload(close);
}

}  // namespace rhea
