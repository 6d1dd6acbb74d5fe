#include "block/command/support.h"

namespace rhea::block {

Result<std::string> oneTarget(const std::optional<std::string>& device, const std::optional<std::string>& nodeName) {
  if (device && nodeName) return Error("device and node-name are both given").expected("one of them");
  if (!device && !nodeName) return Error("neither device nor node-name is given").expected("one of them");
  return device ? *device : *nodeName;
}

qapi::CacheSettings toSchema(CacheSwitches switches) {
  qapi::CacheSettings settings;
  settings.mode = qapi::fromString<qapi::CacheMode>(describe(switches));
  settings.writeback = switches.writeback;
  settings.direct = switches.direct;
  settings.noFlush = switches.noFlush;
  return settings;
}

qapi::UnflushedChanges toSchema(const Unflushed& unflushed, TimePoint now) {
  qapi::UnflushedChanges changes;
  changes.writes = unflushed.changes;
  changes.bytes = unflushed.bytes;
  if (unflushed.any() && unflushed.oldest) changes.ageUs = microseconds(now - *unflushed.oldest);
  return changes;
}

qapi::LastFlush toSchema(const LastFlush& flush, TimePoint now) {
  qapi::LastFlush last;
  last.agoUs = microseconds(now - flush.ended);
  last.durationUs = microseconds(flush.took);
  last.ok = flush.ok;
  return last;
}

std::uint64_t microseconds(Duration duration) {
  const auto count = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  return count > 0 ? static_cast<std::uint64_t>(count) : 0;
}

void fillLimits(qapi::BlockDeviceInfo& info, const ThrottleLimits& limits) {
  struct Row {
    BucketKind kind;
    std::int64_t qapi::BlockDeviceInfo::*average;
    std::optional<std::int64_t> qapi::BlockDeviceInfo::*burst;
    std::optional<std::int64_t> qapi::BlockDeviceInfo::*length;
  };
  using Info = qapi::BlockDeviceInfo;
  static constexpr Row kRows[] = {
      {BucketKind::kBytesTotal, &Info::bps, &Info::bpsMax, &Info::bpsMaxLength},
      {BucketKind::kBytesRead, &Info::bpsRd, &Info::bpsRdMax, &Info::bpsRdMaxLength},
      {BucketKind::kBytesWrite, &Info::bpsWr, &Info::bpsWrMax, &Info::bpsWrMaxLength},
      {BucketKind::kOpsTotal, &Info::iops, &Info::iopsMax, &Info::iopsMaxLength},
      {BucketKind::kOpsRead, &Info::iopsRd, &Info::iopsRdMax, &Info::iopsRdMaxLength},
      {BucketKind::kOpsWrite, &Info::iopsWr, &Info::iopsWrMax, &Info::iopsWrMaxLength},
  };
  for (const Row& row : kRows) {
    const BucketLimit& limit = limits.of(row.kind);
    info.*row.average = static_cast<std::int64_t>(limit.average);
    if (limit.burst == 0) continue;
    info.*row.burst = static_cast<std::int64_t>(limit.burst);
    info.*row.length = static_cast<std::int64_t>(limit.burstLength);
  }
  if (limits.opSize != 0) info.iopsSize = static_cast<std::int64_t>(limits.opSize);
}

}  // namespace rhea::block
