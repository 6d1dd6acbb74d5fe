// TimerQueue: the timers of one loop, in nanoseconds, behind one timerfd.
//
// libevent's own timers round to milliseconds and to the coarse clock; a latency of 50 us (null-co, throttling) needs
// better. The timerfd is set only when the next deadline comes earlier than what it is set to, so that timers that are
// cancelled or renewed before they run (most are) cost no system call.
#pragma once

#include "emu/base/base.h"
#include "emu/io/fd.h"
#include "emu/io/loop.h"

namespace rhea {

class TimerQueue {
 public:
  explicit TimerQueue(Fd timer) : timer_(std::move(timer)) {}

  int fd() const { return timer_.get(); }
  // As Loop::timer().
  std::unique_ptr<Loop::Watch> add(Duration delay, Duration period, std::function<void()> callback);
  // Runs what is due; true when something ran.
  bool runDue();
  TimePoint next() const { return queue_.empty() ? TimePoint::max() : queue_.begin()->first; }
  // Sets the timerfd for the next deadline; before the loop sleeps.
  void arm();
  // The timerfd has become readable (edge-triggered, never read).
  void fired() { armed_ = TimePoint::max(); }

 private:
  class Timer;
  using Queue = std::multimap<TimePoint, Timer*>;
  Queue queue_;
  Fd timer_;
  TimePoint armed_ = TimePoint::max();  // what the timerfd is set to
};

}  // namespace rhea
