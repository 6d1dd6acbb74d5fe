// VirtualClock: the guest's time. It runs while the machine runs and stands while it is stopped, and timers that fire
// at moments of it.
//
// now() and everything of a Timer may be called from any thread. Callbacks run on the clock's own thread, one at a
// time, so that a busy main loop never makes a guest's timer late; they return soon. Every device completion that is to
// come at a virtual time passes here, so that deterministic runs can take the clock's place.
//
// The clock's thread sleeps on a timer of the host's, which whoever arms a timer sets to an earlier moment by himself:
// the thread wakes when something is due and for nothing else. Timers that bear being late together share a wake-up.
#pragma once

#include <condition_variable>
#include <thread>

#include "emu/base/base.h"
#include "emu/io/fd.h"
#include "emu/object/run-state.h"
#include "emu/object/tick-scale.h"

namespace rhea::object {

// Nanoseconds of virtual time; 0 is when the machine first ran.
using VirtualTime = std::int64_t;
constexpr VirtualTime kNoTime = INT64_MAX;

class VirtualClock {
 public:
  // Stands still until start().
  VirtualClock();
  ~VirtualClock();
  VirtualClock(const VirtualClock&) = delete;
  VirtualClock& operator=(const VirtualClock&) = delete;

  VirtualTime now() const;
  bool running() const { return stoppedAt_.load(std::memory_order_acquire) == kNoTime; }
  // The machine starts these before its vCPUs and stops them after, on the main loop. No callback runs behind stop().
  void start();
  void stop();
  // Who says what time it is in place of the host: virtual time follows what the guest has executed (-icount).
  class Source {
   public:
    virtual ~Source() = default;
    // Any thread.
    virtual VirtualTime time() const = 0;
    // A timer was armed for `at`. On the thread that armed it, with the clock's lock held: calls nothing of the clock.
    virtual void armed(VirtualTime at) = 0;
    // The state of a machine was loaded, whose time this is; nothing runs.
    virtual void set(VirtualTime now) = 0;
  };
  // Before anything is armed, and for good: timers fire in fireDue() only. The source outlives all calls but these.
  void follow(Source& source);
  // Whether there is such a source: whatever the host does late or early must make no difference then.
  bool follows() const { return source_ != nullptr; }
  // The moment of the timer that is to fire next; kNoTime: none is armed.
  VirtualTime next() const;
  // Fires, in order and on this thread, the timers of `now` and before, and those that they arm.
  void fireDue(VirtualTime now);

  // The caller is about to sleep: a timer that was put off since the thread lay down must not wake it in vain. While
  // guests run this is left alone, as they put their timers off more often than one would come to be due.
  void settle();
  // When the thread wakes next, kNoTime: for no timer. Nothing while it is awake.
  std::optional<VirtualTime> alarm() const;

  // For a machine whose state was loaded; stopped only.
  void set(VirtualTime now);
  // What now() answers, for translated code. Lives as long as the clock.
  const TickScale& scale() const { return scale_; }

  class Timer {
   public:
    // Outlived by the clock.
    Timer(VirtualClock& clock, std::function<void()> callback);
    ~Timer();  // waits for a callback that runs
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    // Replaces what was armed. A time that has passed fires at once. Never early; to share a wake-up with another, as
    // much as `slack` late where the host tells the time. Timers of one moment and less fire in their order.
    void arm(VirtualTime at, VirtualTime slack = 0);
    // A callback that has begun, or is about to, may still come: it looks at its device's own state.
    void cancel() { arm(kNoTime); }
    VirtualTime deadline() const { return at_.load(std::memory_order_relaxed); }

   private:
    friend class VirtualClock;
    VirtualClock& clock_;
    std::function<void()> callback_;
    std::atomic<VirtualTime> at_{kNoTime};  // changed under the clock's mutex
    VirtualTime slack_ = 0;                 // likewise
  };

 private:
  // The host's monotonic clock and its counter at the same moment.
  struct Moment {
    std::int64_t time = 0;
    std::uint64_t ticks = 0;
  };
  static Moment moment();

  void run();
  void standStill();
  VirtualTime wanted() const;
  void setAlarm(VirtualTime at);
  void fireFirst(std::unique_lock<std::mutex>& lock);
  bool byScale(VirtualTime& now) const;
  VirtualTime nowExactly() const;
  void publish(std::uint64_t ticks, VirtualTime start, std::uint64_t rate, std::uint64_t valid) const;

  // Virtual = monotonic - offset_ while it runs. In between, for a second at a time, it follows the host's counter; who
  // asks later than that compares with the monotonic clock and makes the next second's scale.
  const bool steadyTicks_ = hostTicksAreSteady();
  mutable TickScale scale_;
  mutable std::mutex scaleMutex_;   // behind mutex_; whoever changes scale_
  mutable VirtualTime latest_ = 0;  // no answer so far was later
  mutable Moment early_, late_;     // the rate is measured from the first, which moves on to the second
  std::atomic<std::int64_t> offset_{0};
  std::atomic<VirtualTime> stoppedAt_{0};  // kNoTime while it runs

  Source* source_ = nullptr;
  mutable std::mutex mutex_;
  std::multimap<VirtualTime, Timer*> armed_;
  // When the thread will wake; kAwake: it looks by itself before it sleeps.
  static constexpr VirtualTime kAwake = INT64_MIN;
  VirtualTime alarm_ = kAwake;
  Fd hostTimer_;
  std::atomic<bool> putOff_{false};  // nothing is due at alarm_ any more
  Timer* firing_ = nullptr;
  std::condition_variable fired_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace rhea::object
