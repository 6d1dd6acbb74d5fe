#include "block/tool/prove/proof.h"

#include <unistd.h>

#include "block/driver/table.h"
#include "block/tool/prove/state-check.h"
#include "emu/io/offload.h"

namespace rhea::block::prove {

namespace {

constexpr std::size_t kMostSentences = 20;

// A graph that knows the images in memory besides the drivers of the table.
class Workshop {
 public:
  Workshop(Loop& loop, const Services& services)
      : drivers_(registry()), graph_(GraphContext(loop, drivers_, services, observer_)) {}
  BlockGraph& graph() { return graph_; }

 private:
  static DriverRegistry registry() {
    DriverRegistry drivers(allDrivers());
    drivers.add(memoryImageDriver());
    return drivers;
  }
  DriverRegistry drivers_;
  GraphObserver observer_;
  BlockGraph graph_;
};

void account(ModeProof& proof, const CrashState& state, StateVerdict verdict) {
  const auto cut = static_cast<std::size_t>(state.cut);
  ++proof.states[cut];
  ++proof.completed[cut].states;
  ++proof.flushed[cut].states;
  proof.completed[cut].lost += verdict.completedLost ? 1 : 0;
  proof.flushed[cut].lost += verdict.flushedLost ? 1 : 0;
  proof.unusable[cut] += verdict.unusable.empty() ? 0 : 1;
  proof.leaking += verdict.leaks > 0 ? 1 : 0;
  proof.brokenStates += verdict.broken.empty() ? 0 : 1;
  for (std::string& sentence : verdict.broken) {
    if (proof.broken.size() < kMostSentences) proof.broken.push_back(std::move(sentence));
  }
}

Task<Result<ModeProof>> proveRun(BlockGraph& graph, const ProofPlan& plan, ProofPlan::Run run, std::string path) {
  const TimePoint began = Clock::now();
  ModeProof proof;
  proof.mode = run.mode;
  proof.changes = run.changes;
  proof.promise = promiseOf(run.mode, plan.subject.keepsMetadata);
  RecordPlan recordPlan;
  recordPlan.mode = run.mode;
  recordPlan.workload = plan.workload;
  recordPlan.workload.changes = run.changes;
  recordPlan.path = std::move(path);
  recordPlan.lieAt = plan.lieAt;
  RHEA_CO_TRY(const Recording recording, co_await record(graph, plan.subject, recordPlan));
  proof.requests = plan.workload.requests;
  proof.changesMade = recording.history.changes();
  proof.flushes = recording.history.flushes();
  proof.entries = recording.log.size();
  CrashStates states(recording, plan.crash);
  proof.positions = states.positions();
  while (std::optional<CrashState> state = states.next()) {
    StateVerdict verdict = co_await checkState(graph, plan.subject, recording.history, *state);
    account(proof, *state, std::move(verdict));
  }
  proof.sampled = states.sampled();
  proof.took = Clock::now() - began;
  co_return proof;
}

Task<Result<Proof>> proveAll(BlockGraph& graph, ProofPlan plan) {
  Proof proof;
  proof.format = plan.subject.format;
  proof.options = plan.subject.options;
  proof.keepsMetadata = plan.subject.keepsMetadata;
  const std::string path = fmt::format("{}/rhea-prove-{}.{}", plan.folder, getpid(), plan.subject.format);
  for (const ProofPlan::Run& run : plan.runs) {
    Result<ModeProof> mode = co_await proveRun(graph, plan, run, path);
    std::function<void()> remove = [path] { unlink(path.c_str()); };
    co_await offload(std::move(remove));
    if (!mode) co_return mode.takeError().context(fmt::format("{} with cache={}", proof.format, describe(run.mode)));
    if (plan.progress) plan.progress(*mode);
    proof.modes.push_back(*std::move(mode));
  }
  co_return proof;
}

}  // namespace

std::vector<ProofPlan::Run> allRuns() {
  const CacheSwitches writeback(true, false, false);
  const CacheSwitches none(true, true, false);
  const CacheSwitches writethrough(false, false, false);
  const CacheSwitches directsync(false, true, false);
  const CacheSwitches unsafe(true, false, true);
  return {{writeback, {}},
          {none, {}},
          {writethrough, {}},
          {directsync, {}},
          {unsafe, {}},
          {writeback, {writethrough, none, unsafe, writeback}},
          {none, {directsync, unsafe, directsync, none}},
          {writethrough, {writeback, unsafe, writethrough, directsync}},
          {directsync, {writethrough, none, directsync, writeback}},
          {unsafe, {writeback, unsafe, writethrough, unsafe, none}}};
}

bool Proof::holds() const {
  return std::all_of(modes.begin(), modes.end(), [](const ModeProof& mode) { return mode.holds(); });
}

bool Proof::sampled() const {
  return std::any_of(modes.begin(), modes.end(), [](const ModeProof& mode) { return mode.sampled; });
}

Task<Result<Proof>> prove(Loop& loop, const Services& services, ProofPlan plan) {
  Workshop workshop(loop, services);
  Result<Proof> proof = co_await proveAll(workshop.graph(), std::move(plan));
  Result<void> closed = co_await workshop.graph().shutdown(CancelToken());
  if (!closed && proof.ok()) co_return closed.takeError();
  co_return proof;
}

}  // namespace rhea::block::prove
