// Disks: what the machine's run state and its end mean for the block graph, and the other way round.
#pragma once

#include "block/core/graph.h"
#include "emu/machine/ending.h"
#include "emu/object/run-state.h"

namespace rhea::machine {

class Disks final : public object::RunState::Observer, public Ending::Data, public block::RunStateHook {
 public:
  explicit Disks(object::RunState& runState) : runState_(runState) {}
  // The graph is made after this hook; both live as long as the machine.
  void setGraph(block::BlockGraph& graph) { graph_ = &graph; }
  // What has to stand still, for good, before the last flush means anything: the vCPUs.
  void setQuiesce(std::function<Task<void>()> quiesce) { quiesce_ = std::move(quiesce); }

  // A stopped machine's disks are flushed, so that its images can be copied. Error: names the disks.
  Task<Result<void>> machineStopped() override;
  // Requests that an error policy held are tried again.
  void machineResumed() override;
  Task<std::vector<std::string>> flushAll(CancelToken giveUp) override;
  // The same while the guest goes on, if it does.
  Task<std::vector<std::string>> flush(CancelToken giveUp);
  void stopForIoError() override { runState_.stopSoon(object::RunState::State::ioError); }

 private:
  object::RunState& runState_;
  block::BlockGraph* graph_ = nullptr;
  std::function<Task<void>()> quiesce_;
};

}  // namespace rhea::machine
