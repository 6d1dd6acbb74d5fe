// Statistics of one disk: counts, bytes, times and latency histograms per kind of request.
//
// Written on the data path with relaxed atomics, one disk's own; read by the monitor at any time. Each number is exact,
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

  std::array<Counters, kIoKinds> counters_;
  std::array<LatencyHistogram, kIoKinds> histograms_;
  std::atomic<std::uint64_t> highestWritten_{0};
  std::atomic<std::int64_t> lastAccess_{0};  // ns of the steady clock; 0: none
  std::atomic<bool> accountFailed_{true};
  std::atomic<bool> accountInvalid_{true};
};

}  // namespace rhea::block
