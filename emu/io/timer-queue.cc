#include "emu/io/timer-queue.h"

#include <sys/timerfd.h>

namespace rhea {

class TimerQueue::Timer final : public Loop::Watch {
 public:
  Timer(TimerQueue& owner, Duration period, std::function<void()> callback)
      : owner_(owner), period_(period), callback_(std::move(callback)) {}
  ~Timer() override {
    stop();
    if (gone_ != nullptr) *gone_ = true;
  }

  void start(TimePoint when) {
    place_ = owner_.queue_.emplace(when, this);
    queued_ = true;
  }
  void stop() {
    if (queued_) owner_.queue_.erase(place_);
    queued_ = false;
  }
  void run() {
    const TimePoint due = place_->first;
    stop();
    // A periodic timer keeps its beat, but does not make up for beats that were missed.
    if (period_ > Duration::zero()) start(std::max(due + period_, Clock::now()));
    bool gone = false;
    gone_ = &gone;
    std::function<void()> callback = std::move(callback_);  // it may destroy this timer
    callback();
    if (gone) return;
    gone_ = nullptr;
    callback_ = std::move(callback);
  }

 private:
  TimerQueue& owner_;
  Duration period_;
  std::function<void()> callback_;
  Queue::iterator place_;
  bool queued_ = false;
  bool* gone_ = nullptr;
};

std::unique_ptr<Loop::Watch> TimerQueue::add(Duration delay, Duration period, std::function<void()> callback) {
  auto timer = std::make_unique<Timer>(*this, period, std::move(callback));
  timer->start(Clock::now() + delay);
  return timer;
}

bool TimerQueue::runDue() {
  if (queue_.empty()) return false;
  const TimePoint now = Clock::now();
  bool ran = false;
  // Deadlines after `now` wait for the next round, so that a timer of no delay that renews itself starves nobody.
  while (!queue_.empty() && queue_.begin()->first <= now) {
    queue_.begin()->second->run();
    ran = true;
  }
  return ran;
}

void TimerQueue::arm() {
  if (queue_.empty()) return;
  const TimePoint next = queue_.begin()->first;
  if (next >= armed_) return;
  armed_ = next;
  // steady_clock is CLOCK_MONOTONIC; zero would disarm.
  const auto since = std::max(next.time_since_epoch(), Duration(1));
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
  itimerspec when{};
  when.it_value.tv_sec = static_cast<time_t>(seconds.count());
  when.it_value.tv_nsec = static_cast<long>(std::chrono::nanoseconds(since - seconds).count());
  ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

}  // namespace rhea
