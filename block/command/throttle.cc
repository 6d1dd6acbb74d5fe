// Body: block_set_io_throttle.
#include "block/command/support.h"
#include "qapi/commands-block-core.h"

namespace rhea {

namespace block {

namespace {

// Where one of the six limits stands in the command's arguments.
struct LimitRow {
  BucketKind kind;
  std::string_view name;
  std::int64_t qapi::BlockSetIoThrottle::*average;
  std::optional<std::int64_t> qapi::BlockSetIoThrottle::*burst;
  std::optional<std::int64_t> qapi::BlockSetIoThrottle::*length;
};
using Arguments = qapi::BlockSetIoThrottle;
constexpr LimitRow kRows[] = {
    {BucketKind::kBytesTotal, "bps", &Arguments::bps, &Arguments::bpsMax, &Arguments::bpsMaxLength},
    {BucketKind::kBytesRead, "bps_rd", &Arguments::bpsRd, &Arguments::bpsRdMax, &Arguments::bpsRdMaxLength},
    {BucketKind::kBytesWrite, "bps_wr", &Arguments::bpsWr, &Arguments::bpsWrMax, &Arguments::bpsWrMaxLength},
    {BucketKind::kOpsTotal, "iops", &Arguments::iops, &Arguments::iopsMax, &Arguments::iopsMaxLength},
    {BucketKind::kOpsRead, "iops_rd", &Arguments::iopsRd, &Arguments::iopsRdMax, &Arguments::iopsRdMaxLength},
    {BucketKind::kOpsWrite, "iops_wr", &Arguments::iopsWr, &Arguments::iopsWrMax, &Arguments::iopsWrMaxLength},
};

Result<std::uint64_t> notNegative(std::int64_t value, std::string_view name) {
  if (value >= 0) return static_cast<std::uint64_t>(value);
  return Error(fmt::format("{} is {}", name, value)).where(fmt::format("arguments.{}", name)).expected("0 or more");
}

Result<ThrottleLimits> limitsOf(const Arguments& arguments) {
  ThrottleLimits limits;
  for (const LimitRow& row : kRows) {
    BucketLimit& limit = limits.of(row.kind);
    RHEA_TRY(limit.average, notNegative(arguments.*row.average, row.name));
    RHEA_TRY(limit.burst, notNegative((arguments.*row.burst).value_or(0), fmt::format("{}_max", row.name)));
    RHEA_TRY(limit.burstLength,
             notNegative((arguments.*row.length).value_or(1), fmt::format("{}_max_length", row.name)));
  }
  RHEA_TRY(limits.opSize, notNegative(arguments.iopsSize.value_or(0), "iops_size"));
  RHEA_CHECK(limits.check());
  return limits;
}

}  // namespace

}  // namespace block

Task<Result<void>> Command<qapi::BlockSetIoThrottle>::run(CommandContext context, qapi::BlockSetIoThrottle arguments) {
  if (arguments.device && arguments.id) co_return Error("device and id are both given").expected("one of them");
  if (!arguments.device && !arguments.id) co_return Error("no disk is named").expected("id");
  block::BlockGraph& graph = context.get<block::BlockGraph>();
  RHEA_CO_TRY(const block::DiskPtr disk, graph.disk(arguments.id ? *arguments.id : *arguments.device));
  if (!disk->hasRoot()) co_return Error(fmt::format("{} has no medium", disk->name()));
  RHEA_CO_TRY(const block::ThrottleLimits limits, block::limitsOf(arguments));
  co_return disk->setThrottle(graph.throttleGroups(), arguments.group.value_or(""), limits);
}

}  // namespace rhea
