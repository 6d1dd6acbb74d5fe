// The arithmetic of I/O throttling: leaky buckets, without clocks, locks or waiting.
//
// A bucket holds what was let through lately and leaks at the rate `average`. Requests pass while it is not full. With
// `burst` it may be filled at up to that rate for `burstLength` seconds; without, a tenth of a second's worth passes
// unhindered, so that small rates do not stutter.
#pragma once

#include "emu/base/base.h"
#include "emu/io/loop.h"

namespace rhea::block {

// The order is that of the six settings on the wire.
enum class BucketKind : std::uint8_t { kBytesTotal, kBytesRead, kBytesWrite, kOpsTotal, kOpsRead, kOpsWrite };
constexpr std::size_t kBuckets = 6;

struct BucketLimit {
  std::uint64_t average = 0;      // units a second; 0 = unlimited
  std::uint64_t burst = 0;        // units a second; 0 = none
  std::uint64_t burstLength = 1;  // seconds
  friend bool operator==(const BucketLimit&, const BucketLimit&) = default;
};

struct ThrottleLimits {
  std::array<BucketLimit, kBuckets> buckets;
  std::uint64_t opSize = 0;  // bytes that count as one operation (iops_size); 0 = each request counts one

  BucketLimit& of(BucketKind kind) { return buckets[static_cast<std::size_t>(kind)]; }
  const BucketLimit& of(BucketKind kind) const { return buckets[static_cast<std::size_t>(kind)]; }
  bool any() const;
  // Error: names the setting: total beside read or write, burst without average or below it, beyond 10^15, ...
  Result<void> check() const;
  friend bool operator==(const ThrottleLimits&, const ThrottleLimits&) = default;
};

class ThrottleBuckets {
 public:
  void configure(const ThrottleLimits& limits, TimePoint now);
  const ThrottleLimits& limits() const { return limits_; }
  // How long a request of this direction has to wait; zero: may pass.
  Duration wait(bool write, TimePoint now);
  // Accounts one that passes.
  void pass(bool write, std::uint64_t bytes);

 private:
  struct Level {
    double level = 0;       // against average
    double burstLevel = 0;  // against burst, where burstLength > 1
  };
  void leak(TimePoint now);
  Duration waitFor(BucketKind kind) const;

  ThrottleLimits limits_;
  std::array<Level, kBuckets> levels_;
  TimePoint leakedAt_{};
};

}  // namespace rhea::block
