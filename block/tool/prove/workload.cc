#include "block/tool/prove/workload.h"

#include <random>

#include "block/core/bounce.h"
#include "emu/io/sync.h"

namespace rhea::block::prove {

namespace {

enum class Action : std::uint8_t { kWrite, kZeroes, kDiscard, kFlush };

class Workload {
 public:
  Workload(BlockGraph& graph, DiskPtr disk, WorkloadPlan plan, History& history, Position position)
      : graph_(graph),
        disk_(std::move(disk)),
        plan_(std::move(plan)),
        history_(history),
        position_(std::move(position)),
        random_(plan_.seed) {}

  Task<Result<void>> run() {
    TaskGroup workers;
    for (std::uint64_t i = 0; i < plan_.depth; ++i) workers.spawn(work());
    workers.spawn(changeModes());
    co_await workers.join();
    if (error_) co_return *error_;
    co_return success();
  }

 private:
  std::uint64_t below(std::uint64_t bound) {
    return std::uniform_int_distribution<std::uint64_t>(0, bound - 1)(random_);
  }

  Action nextAction() {
    const std::uint64_t dice = below(100);
    std::uint64_t edge = plan_.flushesPercent;
    if (dice < edge) return Action::kFlush;
    if (dice < (edge += plan_.zeroesPercent)) return Action::kZeroes;
    return dice < edge + plan_.discardsPercent ? Action::kDiscard : Action::kWrite;
  }

  // Half of the places are drawn from a small part of the disk, so that much is written again; none overlaps what is in
  // flight. Empty: no place was found now.
  Extent nextPlace() {
    const std::uint64_t sectors = disk_->length() / kSector;
    const std::uint64_t longest = std::min(plan_.longest / kSector, sectors);
    for (int attempt = 0; attempt < 20; ++attempt) {
      const std::uint64_t length = below(4) == 0 ? 1 + below(longest) : 1 + below(std::min<std::uint64_t>(longest, 8));
      const std::uint64_t part = below(2) == 0 ? sectors : std::max(sectors / 8, length);
      const Extent at(below(part - length + 1) * kSector, length * kSector);
      const auto taken = [at](Extent other) { return other.overlaps(at); };
      if (std::none_of(inFlight_.begin(), inFlight_.end(), taken)) return at;
    }
    return {};
  }

  bool goesOn() const { return !error_ && started_ < plan_.requests; }

  Task<void> work() {
    while (goesOn()) {
      ++started_;
      const Action action = nextAction();
      const Extent at = action == Action::kFlush ? Extent() : nextPlace();
      Result<void> done = success();
      if (action == Action::kFlush) {
        done = co_await flush();
      } else if (!at.empty()) {
        done = co_await change(action, at);
      }
      if (!done && !error_) error_ = done.takeError().context("a request of the workload failed");
      ++completed_;
      // Requests that complete at once must not keep the others from being in flight together.
      static_cast<void>(co_await Loop::current()->sleep(Duration::zero()));
    }
  }

  Task<Result<void>> flush() {
    const History::Flush covered = history_.beginFlush();
    RHEA_CO_CHECK(co_await disk_->flush(Origin::kMonitor));
    history_.completeFlush(covered, position_());
    co_return success();
  }

  Task<Result<void>> change(Action action, Extent at) {
    static constexpr std::array<ChangeKind, 3> kKinds = {ChangeKind::kWrite, ChangeKind::kZeroes, ChangeKind::kDiscard};
    const std::uint32_t number = history_.begin(kKinds[static_cast<std::size_t>(action)], at, position_());
    inFlight_.push_back(at);
    Result<void> done = success();
    if (action == Action::kWrite) {
      const BounceBuffer memory(at.length, 4096);
      if (!memory.ok()) co_return Error::fromErrno(ENOMEM);
      stamp(std::span(memory.data(), at.length), at.offset, number);
      done = co_await disk_->write(at, memory.view(0, at.length), WriteFlags(), Origin::kMonitor);
    } else if (action == Action::kZeroes) {
      const WriteFlags how = below(2) == 0 ? WriteFlags::mayUnmap() : WriteFlags();
      done = co_await disk_->writeZeroes(at, how, Origin::kMonitor);
    } else {
      done = co_await disk_->discard(at, Origin::kMonitor);
    }
    if (done) history_.complete(number, position_());
    inFlight_.erase(std::find(inFlight_.begin(), inFlight_.end(), at));
    co_return done;
  }

  Task<void> changeModes() {
    for (std::size_t i = 0; i < plan_.changes.size() && !error_; ++i) {
      const std::uint64_t when = plan_.requests * (i + 1) / (plan_.changes.size() + 1);
      while (completed_ < when && !error_) {
        static_cast<void>(co_await Loop::current()->sleep(std::chrono::microseconds(200)));
      }
      if (error_) break;
      CacheRequest request;
      request.mode = describe(plan_.changes[i]);
      history_.beginMode(plan_.changes[i], position_());
      Result<CacheChange> changed = co_await graph_.setCache(disk_->id(), request, ChangeContext());
      if (!changed) {
        error_ = changed.takeError().context(fmt::format("changing the cache mode to {}", *request.mode));
        break;
      }
      history_.completeMode(changed->to, position_());
    }
  }

  BlockGraph& graph_;
  DiskPtr disk_;
  const WorkloadPlan plan_;
  History& history_;
  Position position_;
  std::mt19937_64 random_;
  std::uint64_t started_ = 0;
  std::uint64_t completed_ = 0;
  std::vector<Extent> inFlight_;
  std::optional<Error> error_;
};

}  // namespace

Task<Result<void>> runWorkload(BlockGraph& graph, DiskPtr disk, WorkloadPlan plan, History& history,
                               Position position) {
  if (plan.requests == 0 || plan.depth == 0 || plan.depth > 1024) co_return Error("the workload asks for no requests");
  if (plan.longest < kSector || disk->length() < 8 * kSector) {
    co_return Error(fmt::format("a disk of {} bytes is too small for the workload", disk->length()));
  }
  Workload workload(graph, std::move(disk), std::move(plan), history, std::move(position));
  co_return co_await workload.run();
}

}  // namespace rhea::block::prove
