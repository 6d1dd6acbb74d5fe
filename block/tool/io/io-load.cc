// load: a small generator of load, so that a cache mode can be changed and watched under it without another program.
#include <random>

#include "block/tool/io/io-verb.h"
#include "emu/io/sync.h"

namespace rhea::block {

namespace {

struct LoadPlan {
  bool reads = true;
  bool writes = true;
  bool random = false;
  std::uint64_t blockSize = 4096;
  std::uint64_t depth = 1;
  std::uint64_t requests = 0;    // 0: by time
  std::uint64_t flushEvery = 0;  // writes; 0: never
  Duration time = std::chrono::seconds(5);
  Extent range;
};

// What the workers of one load share; all of them run on one loop.
struct LoadState {
  LoadState(IoTarget theTarget, const LoadPlan& thePlan)
      : target(std::move(theTarget)), plan(thePlan), end(Clock::now() + thePlan.time) {}

  IoTarget target;
  LoadPlan plan;
  TimePoint end;
  std::mt19937_64 random{0x5eed};  // the same places every time
  std::uint64_t started = 0;
  std::uint64_t cursor = 0;
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;
  std::uint64_t flushes = 0;
  std::vector<std::uint32_t> microseconds;  // of requests; flushes are not among them
  std::optional<Error> error;

  bool goesOn() const {
    if (error || target.context.cancel.requested()) return false;
    return plan.requests != 0 ? started < plan.requests : Clock::now() < end;
  }
  Extent next() {
    const std::uint64_t places = plan.range.length / plan.blockSize;
    const std::uint64_t place = plan.random ? random() % places : cursor++ % places;
    return Extent(plan.range.offset + place * plan.blockSize, plan.blockSize);
  }
};

Task<void> work(std::shared_ptr<LoadState> state) {
  const IoMemory memory(state->plan.blockSize, 0xcd);
  const std::vector<iovec> pieces(1, iovec{memory.bytes().data(), memory.bytes().size()});
  const IoVector data(pieces);
  Disk& disk = *state->target.disk;
  while (state->goesOn()) {
    const std::uint64_t number = state->started++;
    const bool write = state->plan.writes && (!state->plan.reads || number % 2 == 1);
    const Extent at = state->next();
    const TimePoint began = Clock::now();
    Result<void> done = success();
    if (write) {
      done = co_await disk.write(at, data, WriteFlags(), Origin::kMonitor);
    } else {
      done = co_await disk.read(at, data, Origin::kMonitor);
    }
    state->microseconds.push_back(static_cast<std::uint32_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began).count()));
    ++(write ? state->writes : state->reads);
    if (done && write && state->plan.flushEvery != 0 && state->writes % state->plan.flushEvery == 0) {
      ++state->flushes;
      done = co_await disk.flush(Origin::kMonitor);
    }
    if (!done && !state->error) state->error = ioFailed(write ? "write" : "read", done.error()).error;
    // Requests that complete at once must not keep the loop from everything else.
    if (number % 64 == 63) [[maybe_unused]]
      const Result<void> turn = co_await Loop::current()->sleep(Duration::zero());
  }
}

Result<LoadPlan> planOf(const IoCall& call, std::uint64_t diskLength) {
  LoadPlan plan;
  plan.reads = call.has('r') || !call.has('w');
  plan.writes = call.has('w') || !call.has('r');
  plan.random = call.has('R');
  RHEA_TRY(plan.blockSize, call.sizeOf('b', 4096));
  RHEA_TRY(plan.depth, call.sizeOf('d', 1));
  RHEA_TRY(plan.requests, call.sizeOf('n', 0));
  RHEA_TRY(plan.flushEvery, call.sizeOf('F', 0));
  RHEA_TRY(const std::uint64_t seconds, call.sizeOf('t', 5));
  RHEA_TRY(plan.range.offset, call.sizeOf('s', 0));
  if (plan.range.offset > diskLength) return Error("-s lies beyond the end of the disk");
  RHEA_TRY(plan.range.length, call.sizeOf('l', diskLength - plan.range.offset));
  if (plan.range.length > diskLength - plan.range.offset) return Error("-l reaches beyond the end of the disk");
  if (plan.blockSize == 0 || plan.blockSize > (std::uint64_t{64} << 20))
    return Error("-b is no size of a request").expected("1 byte to 64M");
  if (plan.depth == 0 || plan.depth > 1024) return Error("-d is no depth").expected("1 to 1024");
  if (seconds == 0 || seconds > 86400) return Error("-t is no time for a load").expected("1 to 86400 seconds");
  if (plan.range.length < plan.blockSize) return Error("the range is smaller than one request");
  plan.time = std::chrono::seconds(seconds);
  return plan;
}

// The value below which `share` of the sorted numbers lie.
std::uint32_t percentile(const std::vector<std::uint32_t>& sorted, double share) {
  if (sorted.empty()) return 0;
  return sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(share * static_cast<double>(sorted.size())))];
}

std::string reportOf(LoadState& state, double seconds) {
  std::sort(state.microseconds.begin(), state.microseconds.end());
  const double requests = static_cast<double>(state.reads + state.writes);
  return fmt::format(
      "{} reads, {} writes, {} flushes of {} in {:.2f} s, depth {}\n"
      "{:.0f} requests/s, {}/s; latency in us: median {}, 99 % {}, 99.9 % {}, longest {}\n",
      state.reads, state.writes, state.flushes, classicSize(static_cast<double>(state.plan.blockSize)), seconds,
      state.plan.depth, requests / seconds, classicSize(requests * static_cast<double>(state.plan.blockSize) / seconds),
      percentile(state.microseconds, 0.5), percentile(state.microseconds, 0.99), percentile(state.microseconds, 0.999),
      state.microseconds.empty() ? 0 : state.microseconds.back());
}

}  // namespace

Task<Result<IoOutcome>> ioLoad(IoTarget target, IoCall call) {
  RHEA_CO_TRY(const LoadPlan plan, planOf(call, target.disk->length()));
  const TimePoint began = Clock::now();
  const auto state = std::make_shared<LoadState>(std::move(target), plan);
  TaskGroup workers;
  for (std::uint64_t i = 0; i < plan.depth; ++i) workers.spawn(work(state));
  co_await workers.join();
  if (state->error) co_return *state->error;
  co_return reportOf(*state, std::max(std::chrono::duration<double>(Clock::now() - began).count(), 1e-9));
}

}  // namespace rhea::block
