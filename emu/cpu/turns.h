// Turns: under -icount all vCPUs are executed in turn on one thread, and virtual time is how many instructions they
// have executed. What the machine does then follows from what it is given and not from how fast the host is.
//
// A turn ends after a fixed number of instructions, at the moment of the next timer, or when its vCPU halts. Timers
// fire between turns. Where all are halted, time goes on to the next timer at once, or, with `sleeps`, when as much
// time has passed on the host. What comes from outside meanwhile is taken in when it comes.
#pragma once

#include "emu/cpu/trace-log.h"
#include "emu/cpu/vcpu.h"
#include "emu/object/virtual-clock.h"

namespace rhea::cpu {

class Turns final : public object::VirtualClock::Source {
 public:
  static constexpr unsigned kMostShift = 10;
  static constexpr std::uint64_t kTurn = 20'000;          // instructions, where there are several vCPUs
  static constexpr std::uint64_t kAlone = 1'000'000'000;  // where there is one

  // An instruction takes 2^shift ns.
  Turns(object::VirtualClock& clock, unsigned shift, bool sleeps, TraceLog& trace);

  // Before the thread begins.
  void add(Vcpu& vcpu);
  // On the thread, until kEnd is requested of a vCPU. `paused` is called each time when all have paused, and `resumed`
  // when they go on.
  void run(const std::function<void()>& paused, const std::function<void()>& resumed);
  // On the thread, in the middle of an instruction: does what is asked of vCPUs until done() says so.
  template <class Done>
  void waitFor(Done done) {
    for (;;) {
      const std::uint64_t seen = bell_.rings();
      if (done()) return;
      if (!workOfAll()) bell_.wait(seen, kLong);
    }
  }
  Bell& bell() { return bell_; }

  object::VirtualTime time() const override;
  void armed(object::VirtualTime at) override;
  void set(object::VirtualTime now) override;

 private:
  static constexpr std::chrono::nanoseconds kLong = std::chrono::hours(1);

  bool workOfAll();
  bool anyAsked(std::uint32_t what) const;
  bool rotate();
  void idle();
  void goTo(object::VirtualTime now);
  void trace(const Vcpu& vcpu, object::VirtualTime from) const;

  object::VirtualClock& clock_;
  const unsigned shift_;
  const bool sleeps_;
  TraceLog& trace_;
  std::vector<Vcpu*> vcpus_;
  Bell bell_;
  std::size_t next_ = 0;
  // Time is turnEnd_, less what is left of the present vCPU's turn.
  std::atomic<Vcpu*> present_{nullptr};
  std::atomic<object::VirtualTime> turnEnd_{0};
};

}  // namespace rhea::cpu
