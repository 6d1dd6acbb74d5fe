#include "block/core/throttle-bucket.h"

namespace rhea::block {

namespace {

constexpr std::uint64_t kMost = 1'000'000'000'000'000;

constexpr std::array<std::string_view, kBuckets> kNames = {"bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr"};

constexpr bool isBytes(BucketKind kind) { return kind <= BucketKind::kBytesWrite; }

constexpr std::array<BucketKind, 4> kReadKinds = {BucketKind::kBytesTotal, BucketKind::kBytesRead,
                                                  BucketKind::kOpsTotal, BucketKind::kOpsRead};
constexpr std::array<BucketKind, 4> kWriteKinds = {BucketKind::kBytesTotal, BucketKind::kBytesWrite,
                                                   BucketKind::kOpsTotal, BucketKind::kOpsWrite};
constexpr std::span<const BucketKind> kindsOf(bool write) { return write ? kWriteKinds : kReadKinds; }

Result<void> checkBucket(const BucketLimit& bucket, std::string_view name) {
  if (bucket.average > kMost || bucket.burst > kMost) {
    return Error(fmt::format("{} is beyond the limit of {} a second", name, kMost));
  }
  if (bucket.burst != 0 && bucket.average == 0) {
    return Error(fmt::format("{0}_max needs {0}: a burst is what goes beyond the average", name));
  }
  if (bucket.burst != 0 && bucket.burst < bucket.average) {
    return Error(fmt::format("{}_max ({}) is below {} ({})", name, bucket.burst, name, bucket.average));
  }
  if (bucket.burstLength == 0) return Error(fmt::format("{}_max_length must be at least 1 second", name));
  if (bucket.burstLength > 1 && bucket.burst == 0) {
    return Error(fmt::format("{0}_max_length needs {0}_max", name));
  }
  if (bucket.burst != 0 && bucket.burstLength > kMost / bucket.burst) {
    return Error(fmt::format("{0}_max over {0}_max_length is beyond the limit of {1}", name, kMost));
  }
  return success();
}

Result<void> checkTotals(const ThrottleLimits& limits, BucketKind total, BucketKind read, BucketKind write) {
  const std::string_view name = kNames[static_cast<std::size_t>(total)];
  const auto both = [&](auto member) {
    return limits.of(total).*member != 0 && (limits.of(read).*member != 0 || limits.of(write).*member != 0);
  };
  if (both(&BucketLimit::average)) return Error(fmt::format("{0} and {0}_rd or {0}_wr exclude each other", name));
  if (both(&BucketLimit::burst)) {
    return Error(fmt::format("{0}_max and {0}_rd_max or {0}_wr_max exclude each other", name));
  }
  return success();
}

}  // namespace

bool ThrottleLimits::any() const {
  return std::any_of(buckets.begin(), buckets.end(), [](const BucketLimit& bucket) { return bucket.average != 0; });
}

Result<void> ThrottleLimits::check() const {
  for (std::size_t i = 0; i < kBuckets; ++i) RHEA_CHECK(checkBucket(buckets[i], kNames[i]));
  RHEA_CHECK(checkTotals(*this, BucketKind::kBytesTotal, BucketKind::kBytesRead, BucketKind::kBytesWrite));
  RHEA_CHECK(checkTotals(*this, BucketKind::kOpsTotal, BucketKind::kOpsRead, BucketKind::kOpsWrite));
  const bool anyOps = of(BucketKind::kOpsTotal).average != 0 || of(BucketKind::kOpsRead).average != 0 ||
                      of(BucketKind::kOpsWrite).average != 0;
  if (opSize != 0 && !anyOps) return Error("iops_size needs a limit of operations: iops, iops_rd or iops_wr");
  return success();
}

void ThrottleBuckets::configure(const ThrottleLimits& limits, TimePoint now) {
  leak(now);
  for (std::size_t i = 0; i < kBuckets; ++i) {
    // A bucket that changes begins empty: debts of the old rate say nothing about the new one.
    if (!(limits.buckets[i] == limits_.buckets[i])) levels_[i] = {};
  }
  limits_ = limits;
  leakedAt_ = now;
}

void ThrottleBuckets::leak(TimePoint now) {
  if (now <= leakedAt_) return;
  const double seconds = std::chrono::duration<double>(now - leakedAt_).count();
  leakedAt_ = now;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    const BucketLimit& limit = limits_.buckets[i];
    levels_[i].level = std::max(0.0, levels_[i].level - static_cast<double>(limit.average) * seconds);
    levels_[i].burstLevel = std::max(0.0, levels_[i].burstLevel - static_cast<double>(limit.burst) * seconds);
  }
}

Duration ThrottleBuckets::waitFor(BucketKind kind) const {
  const BucketLimit& limit = limits_.of(kind);
  if (limit.average == 0) return Duration::zero();
  const Level& level = levels_[static_cast<std::size_t>(kind)];
  const auto average = static_cast<double>(limit.average);
  const auto burst = static_cast<double>(limit.burst);
  const auto over = [](double filled, double size, double rate) {
    return filled <= size ? Duration::zero()
                          : std::chrono::ceil<Duration>(std::chrono::duration<double>((filled - size) / rate));
  };
  if (limit.burst == 0) return over(level.level, average / 10, average);
  Duration wait = over(level.level, burst * static_cast<double>(limit.burstLength), average);
  if (limit.burstLength > 1) wait = std::max(wait, over(level.burstLevel, burst / 10, burst));
  return wait;
}

Duration ThrottleBuckets::wait(bool write, TimePoint now) {
  leak(now);
  Duration longest = Duration::zero();
  for (const BucketKind kind : kindsOf(write)) longest = std::max(longest, waitFor(kind));
  return longest;
}

void ThrottleBuckets::pass(bool write, std::uint64_t bytes) {
  const double operations = limits_.opSize == 0 || bytes < limits_.opSize
                                ? 1.0
                                : static_cast<double>(bytes) / static_cast<double>(limits_.opSize);
  for (const BucketKind kind : kindsOf(write)) {
    const double units = isBytes(kind) ? static_cast<double>(bytes) : operations;
    levels_[static_cast<std::size_t>(kind)].level += units;
    levels_[static_cast<std::size_t>(kind)].burstLevel += units;
  }
}

}  // namespace rhea::block
