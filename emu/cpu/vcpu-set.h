// VcpuSet: the vCPUs of a machine and their threads. Follows the run state: a stop is complete when every thread has
// acknowledged it at a block's edge, and the guest's clock stands between stop and resume.
//
// Belongs to the main loop, unless it says otherwise.
#pragma once

#include <thread>

#include "emu/cpu/turns.h"
#include "emu/cpu/write-rounds.h"
#include "emu/io/sync.h"
#include "emu/object/run-state.h"
#include "emu/object/virtual-clock.h"

namespace rhea::cpu {

class VcpuSet final : public object::RunState::Observer {
 public:
  VcpuSet(object::RunState& runState, object::VirtualClock& clock);
  ~VcpuSet() override;  // ends the threads
  VcpuSet(const VcpuSet&) = delete;
  VcpuSet& operator=(const VcpuSet&) = delete;

  // Before the first add(): -icount.
  void takeTurns(unsigned shift, bool sleeps, TraceLog& trace) {
    turns_ = std::make_unique<Turns>(clock_, shift, sleeps, trace);
  }
  // Null without -icount.
  Turns* turns() { return turns_.get(); }
  // Before start(), in the order of their indices.
  void add(std::unique_ptr<Vcpu> vcpu);
  // Threads begin, and guest code where the machine runs.
  void start();
  std::size_t size() const { return places_.size(); }
  Vcpu& at(std::size_t index) const { return *places_[index]->vcpu; }

  // Runs `work` on every vCPU's thread between two blocks, paused and halted ones too, and completes when all have
  // done it. For example dropping what was looked up in a memory map, or reading registers. Before start(): at once,
  // here.
  Task<void> onEach(std::function<void(Vcpu&)> work);
  // The same for one.
  Task<void> on(std::size_t index, std::function<void(Vcpu&)> work);
  // On a vCPU's thread: when this returns, all others have forgotten which pages may be written without a look, but for
  // those that rest, which do so before they execute anything. Meanwhile the caller does what others ask of it.
  void dropWritesOfOthers(Vcpu& self);
  // On a vCPU's thread: does `work` here while all others stand between two blocks, halted or paused ones too. For what
  // the guest takes to be one step and the host cannot do in one. `work` must not wait for another vCPU.
  void alone(Vcpu& self, const std::function<void()>& work);
  WriteRounds& writeRounds() { return writeRounds_; }

  // A system reset, while the machine is stopped or running: every vCPU resets at its next edge.
  void reset();

  Task<Result<void>> machineStopped() override;
  void machineResumed() override;
  // While held, nothing makes them run: a reset is under way, whose end calls machineResumed() where it should.
  void hold(bool held) { held_ = held; }

 private:
  struct Place {
    std::unique_ptr<Vcpu> vcpu;
    std::thread thread;
    std::atomic<bool> paused{true};
  };
  void thread(Place& place);
  void threadOfAll();
  bool allPaused() const;

  object::RunState& runState_;
  object::VirtualClock& clock_;
  std::unique_ptr<Turns> turns_;
  std::vector<std::unique_ptr<Place>> places_;
  bool started_ = false;
  bool held_ = false;  // main loop
  unsigned resumes_ = 0;
  std::atomic<bool> oneIsAlone_{false};
  WriteRounds writeRounds_{*this};
  Event changed_;  // a thread has paused, or the machine was resumed
};

}  // namespace rhea::cpu
