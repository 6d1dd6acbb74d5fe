#include "block/core/statistics.h"

namespace rhea::block {

namespace {
constexpr auto kRelaxed = std::memory_order_relaxed;
}

std::string_view toString(IoKind kind) {
  static constexpr std::array<std::string_view, kIoKinds> kNames = {"read", "write", "flush", "discard"};
  return kNames[static_cast<std::size_t>(kind)];
}

Result<void> LatencyHistogram::configure(std::vector<std::uint64_t> boundaries) {
  std::uint64_t before = 0;
  for (const std::uint64_t boundary : boundaries) {
    if (boundary <= before) {
      return Error(fmt::format("histogram boundary {} does not lie above the one before it ({})", boundary, before))
          .expected("boundaries in nanoseconds, above 0 and ascending");
    }
    before = boundary;
  }
  const std::lock_guard lock(guard_);
  data_.bins.assign(boundaries.empty() ? 0 : boundaries.size() + 1, 0);
  data_.boundaries = std::move(boundaries);
  enabled_.store(!data_.bins.empty(), kRelaxed);
  return success();
}

void LatencyHistogram::add(std::uint64_t nanoseconds) {
  if (!enabled_.load(kRelaxed)) return;
  const std::lock_guard lock(guard_);
  if (data_.bins.empty()) return;
  const auto above = std::upper_bound(data_.boundaries.begin(), data_.boundaries.end(), nanoseconds);
  ++data_.bins[static_cast<std::size_t>(above - data_.boundaries.begin())];
}

std::optional<HistogramData> LatencyHistogram::read() const {
  const std::lock_guard lock(guard_);
  if (data_.bins.empty()) return std::nullopt;
  return data_;
}

void IntervalStatistics::add(IoKind kind, std::uint64_t nanoseconds, TimePoint now) {
  const std::lock_guard lock(guard_);
  const std::int64_t number = sliceAt(now);
  Slice& slice = slices_[static_cast<std::size_t>(kind)][static_cast<std::size_t>(number % kSlices)];
  if (slice.number != number) {
    slice = Slice();
    slice.number = number;
    slice.shortest = nanoseconds;
  }
  ++slice.count;
  slice.sum += nanoseconds;
  slice.shortest = std::min(slice.shortest, nanoseconds);
  slice.longest = std::max(slice.longest, nanoseconds);
}

IntervalCounts IntervalStatistics::counts(IoKind kind, TimePoint now) const {
  const std::lock_guard lock(guard_);
  const std::int64_t oldest = sliceAt(now) - kSlices + 1;
  IntervalCounts counts;
  std::uint64_t requests = 0;
  std::uint64_t sum = 0;
  for (const Slice& slice : slices_[static_cast<std::size_t>(kind)]) {
    if (slice.count == 0 || slice.number < oldest) continue;
    counts.shortest = requests == 0 ? slice.shortest : std::min(counts.shortest, slice.shortest);
    counts.longest = std::max(counts.longest, slice.longest);
    requests += slice.count;
    sum += slice.sum;
  }
  if (requests == 0) return counts;
  counts.mean = sum / requests;
  const TimePoint from = begun_ + std::max<std::int64_t>(oldest, 0) * (length_ / kSlices);
  const auto covered = std::chrono::nanoseconds(now - from).count();
  if (covered > 0) counts.depth = static_cast<double>(sum) / static_cast<double>(covered);
  return counts;
}

Result<void> Statistics::setIntervals(const std::vector<std::uint64_t>& seconds) {
  constexpr std::uint64_t kMost = std::uint64_t{366} * 24 * 3600;
  std::vector<std::unique_ptr<IntervalStatistics>> made;
  const TimePoint now = Clock::now();
  for (const std::uint64_t length : seconds) {
    if (length == 0 || length > kMost) {
      return Error(fmt::format("statistics cannot be kept of the last {} seconds", length))
          .expected("1 second to a year");
    }
    const auto same = [length](const auto& other) { return other->length() == std::chrono::seconds(length); };
    if (std::ranges::any_of(made, same)) return Error(fmt::format("the interval of {} seconds is given twice", length));
    made.push_back(std::make_unique<IntervalStatistics>(std::chrono::seconds(length), now));
  }
  intervals_ = std::move(made);
  return success();
}

void Statistics::time(IoKind kind, std::uint64_t nanoseconds, TimePoint now) {
  of(kind).nanoseconds.fetch_add(nanoseconds, kRelaxed);
  histograms_[static_cast<std::size_t>(kind)].add(nanoseconds);
  for (const auto& interval : intervals_) interval->add(kind, nanoseconds, now);
}

void Statistics::touch(TimePoint now) { lastAccess_.store(now.time_since_epoch().count(), kRelaxed); }

void Statistics::done(IoKind kind, Extent at, std::uint64_t nanoseconds, TimePoint now) {
  Counters& counters = of(kind);
  counters.operations.fetch_add(1, kRelaxed);
  counters.bytes.fetch_add(at.length, kRelaxed);
  time(kind, nanoseconds, now);
  if (kind == IoKind::kWrite) {
    std::uint64_t highest = highestWritten_.load(kRelaxed);
    while (highest < at.end() && !highestWritten_.compare_exchange_weak(highest, at.end(), kRelaxed)) {
    }
  }
  touch(now);
}

void Statistics::failed(IoKind kind, std::uint64_t nanoseconds, TimePoint now) {
  of(kind).failed.fetch_add(1, kRelaxed);
  if (!accountsFailed()) return;
  time(kind, nanoseconds, now);
  touch(now);
}

void Statistics::invalid(IoKind kind) {
  of(kind).invalid.fetch_add(1, kRelaxed);
  if (accountsInvalid()) touch(Clock::now());
}

void Statistics::merged(IoKind kind, std::uint64_t requests) { of(kind).merged.fetch_add(requests, kRelaxed); }

IoCounts Statistics::counts(IoKind kind) const {
  const Counters& counters = counters_[static_cast<std::size_t>(kind)];
  IoCounts counts;
  counts.operations = counters.operations.load(kRelaxed);
  counts.bytes = counters.bytes.load(kRelaxed);
  counts.failed = counters.failed.load(kRelaxed);
  counts.invalid = counters.invalid.load(kRelaxed);
  counts.merged = counters.merged.load(kRelaxed);
  counts.nanoseconds = counters.nanoseconds.load(kRelaxed);
  return counts;
}

std::optional<Duration> Statistics::idle(TimePoint now) const {
  const std::int64_t last = lastAccess_.load(kRelaxed);
  if (last == 0) return std::nullopt;
  return now - TimePoint(Duration(last));
}

void Statistics::setAccounting(bool failedOnes, bool invalidOnes) {
  accountFailed_.store(failedOnes, kRelaxed);
  accountInvalid_.store(invalidOnes, kRelaxed);
}

}  // namespace rhea::block
