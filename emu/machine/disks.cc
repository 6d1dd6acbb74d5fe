#include "emu/machine/disks.h"

namespace rhea::machine {

Task<Result<void>> Disks::machineStopped() {
  // What the guest had under way ends first: its writes are to be on stable storage too. Requests that an error policy
  // holds back wait outside.
  const std::vector<block::DiskPtr> disks = graph_->disks();
  for (const block::DiskPtr& disk : disks) {
    if (disk->hasDevice()) static_cast<void>(co_await disk->gate().waitUntilEmpty(CancelToken()));
  }
  const std::vector<std::string> failed = co_await flush(CancelToken());
  if (failed.empty()) co_return success();
  std::string text;
  for (const std::string& line : failed) text.append(text.empty() ? "" : "; ").append(line);
  co_return Error(fmt::format("the machine has stopped, but not all disks could be flushed: {}", text));
}

void Disks::machineResumed() {
  for (const block::DiskPtr& disk : graph_->disks()) {
    disk->resetIoStatus();
    disk->retryHeld();
  }
}

Task<std::vector<std::string>> Disks::flushAll(CancelToken giveUp) {
  if (quiesce_) co_await quiesce_();
  co_return co_await flush(std::move(giveUp));
}

Task<std::vector<std::string>> Disks::flush(CancelToken giveUp) {
  std::vector<std::string> failed;
  block::ChangeContext context("the machine", std::move(giveUp));
  Result<std::vector<block::FlushOutcome>> outcomes = co_await graph_->flush(std::nullopt, std::move(context));
  if (!outcomes.ok()) {
    failed.push_back(outcomes.error().message());
    co_return failed;
  }
  for (const block::FlushOutcome& outcome : *outcomes) {
    if (outcome.result.ok()) continue;
    const std::string name = outcome.disk.empty() ? fmt::format("node '{}'", outcome.nodeName) : outcome.disk;
    failed.push_back(fmt::format("{}: {}", name, outcome.result.error().message()));
  }
  co_return failed;
}

}  // namespace rhea::machine
