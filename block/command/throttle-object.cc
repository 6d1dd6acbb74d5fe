#include "block/command/throttle-object.h"

#include "block/core/graph.h"

namespace rhea::block {

namespace {

const object::Property kProperties[] = {
    object::property<&ThrottleGroupObject::limits, &ThrottleGroupObject::setLimits>(
        "limits", object::Settable::kAnyTime, {}, "the limits; what is left out is no limit"),
};

// Where one of the six limits stands in the property.
struct LimitRow {
  BucketKind kind;
  std::string_view name;
  std::optional<std::int64_t> qapi::ThrottleLimits::*average;
  std::optional<std::int64_t> qapi::ThrottleLimits::*burst;
  std::optional<std::int64_t> qapi::ThrottleLimits::*length;
};
using Wire = qapi::ThrottleLimits;
constexpr LimitRow kRows[] = {
    {BucketKind::kBytesTotal, "bps-total", &Wire::bpsTotal, &Wire::bpsTotalMax, &Wire::bpsTotalMaxLength},
    {BucketKind::kBytesRead, "bps-read", &Wire::bpsRead, &Wire::bpsReadMax, &Wire::bpsReadMaxLength},
    {BucketKind::kBytesWrite, "bps-write", &Wire::bpsWrite, &Wire::bpsWriteMax, &Wire::bpsWriteMaxLength},
    {BucketKind::kOpsTotal, "iops-total", &Wire::iopsTotal, &Wire::iopsTotalMax, &Wire::iopsTotalMaxLength},
    {BucketKind::kOpsRead, "iops-read", &Wire::iopsRead, &Wire::iopsReadMax, &Wire::iopsReadMaxLength},
    {BucketKind::kOpsWrite, "iops-write", &Wire::iopsWrite, &Wire::iopsWriteMax, &Wire::iopsWriteMaxLength},
};

Result<std::uint64_t> notNegative(const std::optional<std::int64_t>& value, std::uint64_t otherwise, std::string name) {
  if (!value) return otherwise;
  if (*value >= 0) return static_cast<std::uint64_t>(*value);
  return Error(fmt::format("{} is {}", name, *value)).expected("0 or more");
}

}  // namespace

void ThrottleGroupObject::addClass(object::ClassTable& classes) {
  object::Class type;
  type.name = "throttle-group";
  type.parent = "object";
  type.doc = "limits that several disks or throttle filters share";
  type.properties = kProperties;
  type.interfaces = {"user-creatable"};
  type.make = [](const object::Class& made, const Services& services) -> std::unique_ptr<object::Object> {
    return std::make_unique<ThrottleGroupObject>(made, services.get<BlockGraph>().throttleGroups());
  };
  classes.add(std::move(type));
}

Task<Result<void>> ThrottleGroupObject::complete() {
  group_ = groups_.findOrCreate(name());
  co_return group_->configure(wanted_);
}

std::vector<std::string> ThrottleGroupObject::users() const {
  std::vector<std::string> users = Object::users();
  const std::size_t members = group_ ? group_->members() : 0;
  if (members > 0)
    users.push_back(
        fmt::format("{} disk{} or throttle filter{}", members, members > 1 ? "s" : "", members > 1 ? "s" : ""));
  return users;
}

qapi::ThrottleLimits ThrottleGroupObject::limits() const {
  const ThrottleLimits now = group_ ? group_->limits() : wanted_;
  qapi::ThrottleLimits wire;
  for (const LimitRow& row : kRows) {
    const BucketLimit& limit = now.of(row.kind);
    wire.*row.average = static_cast<std::int64_t>(limit.average);
    wire.*row.burst = static_cast<std::int64_t>(limit.burst);
    wire.*row.length = static_cast<std::int64_t>(limit.burstLength);
  }
  wire.iopsSize = static_cast<std::int64_t>(now.opSize);
  return wire;
}

Result<void> ThrottleGroupObject::setLimits(qapi::ThrottleLimits wire) {
  ThrottleLimits limits;
  for (const LimitRow& row : kRows) {
    BucketLimit& limit = limits.of(row.kind);
    RHEA_TRY(limit.average, notNegative(wire.*row.average, 0, std::string(row.name)));
    RHEA_TRY(limit.burst, notNegative(wire.*row.burst, 0, fmt::format("{}-max", row.name)));
    RHEA_TRY(limit.burstLength, notNegative(wire.*row.length, 1, fmt::format("{}-max-length", row.name)));
  }
  RHEA_TRY(limits.opSize, notNegative(wire.iopsSize, 0, "iops-size"));
  RHEA_CHECK(limits.check());
  wanted_ = limits;
  return group_ ? group_->configure(limits) : success();
}

}  // namespace rhea::block
