// RunState: whether the machine runs. What stops and resumes it (the monitor, a disk whose error policy is stop, later
// the guest's devices) and what has to follow (disks, CPUs, clocks) meet here and nowhere else.
//
// Belongs to the main loop; stopSoon() may be called from any thread.
#pragma once

#include "emu/base/base.h"
#include "emu/io/event-sink.h"
#include "emu/io/loop.h"
#include "emu/io/sync.h"
#include "emu/io/task.h"
#include "qapi/types-machine.h"

namespace rhea::object {

class RunState {
 public:
  using State = qapi::RunState;

  // Somebody who acts when the machine stops or runs.
  class Observer {
   public:
    virtual ~Observer() = default;
    // The machine has just stopped. Completes when what is under way is done and, for disks, flushed; storage that
    // hangs makes it wait, and with it the client that asked for the stop, but nobody else. An error is told to that
    // client; the machine is stopped all the same.
    virtual Task<Result<void>> machineStopped() = 0;
    // The machine runs again from now on.
    virtual void machineResumed() = 0;
  };

  // `startStopped` is -S: the machine waits in state prelaunch for cont.
  RunState(Loop& main, EventSink& events, bool startStopped);

  State state() const { return state_; }
  bool running() const { return state_ == State::running; }

  // Told in this order when the machine stops, and in the opposite one when it runs on: no CPU gives devices new work
  // while they finish theirs, and disks are flushed after the last write of a device.
  enum class Layer : std::uint8_t { kCpus, kDevices, kDisks };
  // Observers outlive the machine, or leave first.
  void observe(Observer& observer, Layer layer);
  void forget(Observer& observer);

  // Stops the machine if it runs (STOP), then waits for the observers. In any other state nothing happens, except that
  // a machine which has not been started yet goes from prelaunch to nothing else: only cont leaves prelaunch.
  Task<Result<void>> stop();
  // Errors: the machine is at its end, or has to be reset first.
  Result<void> resume();
  // A disk failed whose error policy is stop; from any thread. Nothing happens unless the machine runs.
  void stopSoon(State why);
  // The program is about to end: the machine does not run any more and cannot be resumed.
  void end();
  bool ended() const { return ended_; }
  // The machine is as after power on: one that the guest had turned off, or crashed, is merely stopped from now on.
  void wasReset();

 private:
  void leaveRunning(State next);
  Task<Result<void>> tellStopped();

  Loop& main_;
  EventSink& events_;
  State state_;
  bool ended_ = false;
  unsigned resumes_ = 0;
  struct Observing {
    Observer* observer;
    Layer layer;
  };
  std::vector<Observer*> observers() const;

  std::vector<Observing> observers_;  // by layer, then in the order in which they came
};

}  // namespace rhea::object
