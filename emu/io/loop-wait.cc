// What a coroutine can wait for on a loop: time, and a descriptor's readiness.
#include <event2/event.h>

#include "emu/base/bug.h"
#include "emu/io/loop-impl.h"
#include "emu/io/loop.h"

namespace rhea {

namespace {

// A parked coroutine that one of two ends: the event, on the loop's thread, or the token, from any thread. Whoever
// comes first posts; the coroutine always goes on from the mailbox, that is after it has suspended.
class Parked : private Loop::Mail {
 public:
  explicit Parked(Loop& loop) : loop_(loop) {
    run = [](Mail* mail) { static_cast<Parked*>(mail)->waiter_.resume(); };
  }
  void end() {
    if (!ended_.exchange(true, std::memory_order_acq_rel)) loop_.post(static_cast<Loop::Mail&>(*this));
  }

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) noexcept { waiter_ = waiter; }
  void await_resume() const noexcept {}

 private:
  Loop& loop_;
  std::atomic<bool> ended_{false};
  std::coroutine_handle<> waiter_;
};

}  // namespace

Task<Result<void>> Loop::sleep(Duration duration, CancelToken cancel) {
  RHEA_CO_CHECK(cancel.check());
  Parked parked(*this);
  std::function<void()> end = [&parked] { parked.end(); };
  const std::unique_ptr<Watch> due = timer(duration, end);
  const CancelToken::Registration wish = cancel.onCancel(end);
  co_await parked;
  co_return cancel.check();
}

Task<Result<void>> Loop::ready(int fd, Ready what, CancelToken cancel) {
  RHEA_CO_CHECK(cancel.check());
  Parked parked(*this);
  std::function<void()> end = [&parked] { parked.end(); };
  const std::unique_ptr<Watch> readiness = watch(fd, what, end);
  const CancelToken::Registration wish = cancel.onCancel(end);
  co_await parked;
  co_return cancel.check();
}

}  // namespace rhea
