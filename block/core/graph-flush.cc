// Flushes that the monitor asks for, and the end of a graph.
#include <fmt/format.h>

#include "block/core/graph-internal.h"
#include "emu/base/names.h"

namespace rhea::block {

namespace {

// One of several flushes; counted, because a client need not wait for its end.
struct FlushJob {
  FlushOutcome outcome;
  bool ended = false;
  Event done;
};

Task<void> runFlush(std::shared_ptr<FlushJob> job, DiskPtr disk, NodePtr node) {
  const TimePoint start = Clock::now();
  Result<void> result = success();
  if (disk != nullptr) {
    result = co_await disk->flush(Origin::kMonitor);
  } else {
    const Result<EpochGate::Pass> entered = co_await node->door().enter();
    if (entered.ok()) {
      result = co_await node->flush(FlushTo::kStable);
    } else {
      result = entered.error();
    }
  }
  job->outcome.result = std::move(result);
  job->outcome.took = Clock::now() - start;
  job->ended = true;
  job->done.set();
}

Task<void> joinInto(TaskGroup& group, std::shared_ptr<Event> ended) {
  co_await group.join();
  ended->set();
}

}  // namespace

Error BlockGraph::unknownTarget(std::string_view target) const {
  std::vector<std::string> known;
  for (const DiskPtr& disk : disks_) known.push_back(disk->name());
  for (const NodePtr& node : nodes_) known.push_back(node->name());
  Error error(ErrorClass::kDeviceNotFound, fmt::format("there is no disk or node '{}'", target));
  return std::move(error).candidates(nearestNames(target, std::span<const std::string>(known)));
}

Task<Result<std::vector<FlushOutcome>>> BlockGraph::flush(std::optional<std::string> target, ChangeContext context) {
  std::vector<std::pair<DiskPtr, NodePtr>> chosen;
  if (target) {
    if (const DiskPtr disk = findDisk(*target); disk != nullptr) {
      if (!disk->hasRoot()) co_return Error(fmt::format("disk '{}' has no medium", disk->name()));
      chosen.emplace_back(disk, pointerTo(disk->root()));
    } else if (NodePtr node = findNode(*target); node != nullptr) {
      chosen.emplace_back(nullptr, std::move(node));
    } else {
      co_return unknownTarget(*target);
    }
  } else {
    for (const DiskPtr& disk : disks_) {
      if (disk->hasRoot()) chosen.emplace_back(disk, pointerTo(disk->root()));
    }
    // A monitor's own attachment (io) flushes nothing here, so a node below it counts as one without a disk.
    const auto isFlushed = [this](const DiskPtr& disk) { return std::ranges::find(disks_, disk) != disks_.end(); };
    for (const NodePtr& node : nodes_) {
      if (node->ledger().unflushed().any() && std::ranges::none_of(disksAbove(*node), isFlushed)) {
        chosen.emplace_back(nullptr, node);
      }
    }
  }

  // All at once: one that hangs must not keep the others from stable storage.
  std::vector<std::shared_ptr<FlushJob>> jobs;
  for (const auto& [disk, node] : chosen) {
    auto job = std::make_shared<FlushJob>();
    if (disk != nullptr) job->outcome.disk = disk->name();
    job->outcome.nodeName = node->name();
    jobs.push_back(job);
    (disk != nullptr ? background_ : node->asks_).spawn(runFlush(job, disk, node));
  }
  std::vector<FlushOutcome> outcomes;
  const TimePoint start = Clock::now();
  for (const auto& job : jobs) {
    Result<void> waited = co_await job->done.wait(context.cancel);
    if (!job->ended) {
      job->outcome.result = std::move(waited).takeError().context("the flush has not ended");
      job->outcome.took = Clock::now() - start;
    }
    outcomes.push_back(job->outcome);
  }
  co_return outcomes;
}

Task<Result<void>> BlockGraph::shutdown(CancelToken giveUp) {
  closing_ = true;
  // Who waits for a machine that never continues: let go first, so that its disks can be drained.
  for (const auto* list : {&disks_, &hidden_}) {
    for (const DiskPtr& disk : *list) {
      disk->runState_.store(nullptr, std::memory_order_relaxed);
      disk->retryHeld();
    }
  }
  while (!disks_.empty() || !hidden_.empty()) {
    DiskPtr disk = disks_.empty() ? hidden_.back() : disks_.back();
    ChangeContext context("shutdown", giveUp);
    RHEA_CO_CHECK(co_await removeDisk(std::move(disk), std::move(context)));
  }
  while (!nodes_.empty()) {
    NodePtr top;
    for (const NodePtr& node : nodes_) {
      if (node->parents_.empty()) top = node;
    }
    if (top == nullptr) break;  // the rest belongs to operations that still run
    top->monitorOwned_ = false;
    Task<Result<void>> close = closeReporting(std::move(top));
    RHEA_CO_CHECK(co_await abandonable(std::move(close), giveUp));
  }
  const auto ended = std::make_shared<Event>();
  loop().spawn(joinInto(background_, ended));
  co_return co_await ended->wait(std::move(giveUp));
}

Task<Result<void>> BlockGraph::closeReporting(NodePtr node) {
  co_await closeNode(std::move(node));
  co_return success();
}

}  // namespace rhea::block
