// Statistics of one disk or node: counts, bytes, times and latency histograms per kind of request.
//
// Written on the data path with relaxed atomics, its own; read by the monitor at any time. Each number is exact,
// the set of them is not a snapshot.
#pragma once

#include "block/core/extent.h"
#include "emu/base/base.h"
#include "emu/io/loop.h"

namespace rhea::block {

enum class IoKind : std::uint8_t { kRead, kWrite, kFlush, kDiscard };
constexpr std::size_t kIoKinds = 4;
std::string_view toString(IoKind kind);  // "read", "write", "flush", "discard"

// Upper boundaries in ns, ascending; bins has one more.
struct HistogramData {
  std::vector<std::uint64_t> boundaries;
  std::vector<std::uint64_t> bins;
};

class LatencyHistogram {
 public:
  // Empty boundaries switch it off. Counts begin anew. Error: boundaries that do not ascend, or begin with 0.
  Result<void> configure(std::vector<std::uint64_t> boundaries);
  void add(std::uint64_t nanoseconds);
  std::optional<HistogramData> read() const;  // none: off

 private:
  std::atomic<bool> enabled_{false};
  mutable std::mutex guard_;
  HistogramData data_;
};

// The numbers of one kind, at one moment.
struct IoCounts {
  std::uint64_t operations = 0;
  std::uint64_t bytes = 0;
  std::uint64_t failed = 0;
  std::uint64_t invalid = 0;
  std::uint64_t merged = 0;
  std::uint64_t nanoseconds = 0;
};

// What an interval's requests of one kind were like, at one moment. Times in ns; all 0 where there were none.
struct IntervalCounts {
  std::uint64_t shortest = 0;
  std::uint64_t longest = 0;
  std::uint64_t mean = 0;
  double depth = 0;  // requests under way, on average
};

// Latencies of the last `length`: it is cut into slices, of which the oldest is given up as a new one begins. So the
// answer covers between 7/8 of the length and all of it.
class IntervalStatistics {
 public:
  IntervalStatistics(Duration length, TimePoint now) : length_(length), begun_(now) {}
  Duration length() const { return length_; }
  void add(IoKind kind, std::uint64_t nanoseconds, TimePoint now);
  IntervalCounts counts(IoKind kind, TimePoint now) const;

 private:
  static constexpr std::int64_t kSlices = 8;
  struct Slice {
    std::int64_t number = -1;  // since begun_; -1: never used
    std::uint64_t count = 0;
    std::uint64_t sum = 0;
    std::uint64_t shortest = 0;
    std::uint64_t longest = 0;
  };
  std::int64_t sliceAt(TimePoint now) const { return (now - begun_) / (length_ / kSlices); }

  const Duration length_;
  const TimePoint begun_;
  mutable std::mutex guard_;
  std::array<std::array<Slice, kSlices>, kIoKinds> slices_;
};

class Statistics {
 public:
  void done(IoKind kind, Extent at, std::uint64_t nanoseconds, TimePoint now);
  void failed(IoKind kind, std::uint64_t nanoseconds, TimePoint now);
  // Refused before anything was sent: out of bounds, misaligned.
  void invalid(IoKind kind);
  void merged(IoKind kind, std::uint64_t requests);

  IoCounts counts(IoKind kind) const;
  std::uint64_t highestWritten() const { return highestWritten_.load(std::memory_order_relaxed); }  // end, in bytes
  // Since the last request ended; none: there was none yet.
  std::optional<Duration> idle(TimePoint now) const;
  LatencyHistogram& histogram(IoKind kind) { return histograms_[static_cast<std::size_t>(kind)]; }
  const LatencyHistogram& histogram(IoKind kind) const { return histograms_[static_cast<std::size_t>(kind)]; }

  // Which intervals to keep, in seconds; before the first request. Error: 0 or a length that cannot be, or twice.
  Result<void> setIntervals(const std::vector<std::uint64_t>& seconds);
  const std::vector<std::unique_ptr<IntervalStatistics>>& intervals() const { return intervals_; }

  // Whether failed and invalid requests count as accesses (stats-account-failed, -invalid).
  void setAccounting(bool failedOnes, bool invalidOnes);
  bool accountsFailed() const { return accountFailed_.load(std::memory_order_relaxed); }
  bool accountsInvalid() const { return accountInvalid_.load(std::memory_order_relaxed); }

 private:
  struct Counters {
    std::atomic<std::uint64_t> operations{0};
    std::atomic<std::uint64_t> bytes{0};
    std::atomic<std::uint64_t> failed{0};
    std::atomic<std::uint64_t> invalid{0};
    std::atomic<std::uint64_t> merged{0};
    std::atomic<std::uint64_t> nanoseconds{0};
  };
  Counters& of(IoKind kind) { return counters_[static_cast<std::size_t>(kind)]; }
  void touch(TimePoint now);
  void time(IoKind kind, std::uint64_t nanoseconds, TimePoint now);

  std::array<Counters, kIoKinds> counters_;
  std::array<LatencyHistogram, kIoKinds> histograms_;
  std::vector<std::unique_ptr<IntervalStatistics>> intervals_;
  std::atomic<std::uint64_t> highestWritten_{0};
  std::atomic<std::int64_t> lastAccess_{0};  // ns of the steady clock; 0: none
  std::atomic<bool> accountFailed_{true};
  std::atomic<bool> accountInvalid_{true};
};

}  // namespace rhea::block
