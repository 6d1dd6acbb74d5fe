#include "block/driver/throttle/throttle.h"

#include "qapi/types-block-options.h"

namespace rhea::block {

Task<Result<void>> ThrottleDriver::read(Extent at, IoVector to) {
  co_await member_.pass(false, at.length);
  co_return co_await below_.read(at, to);
}

Task<Result<void>> ThrottleDriver::write(Extent at, IoVector from, WriteFlags how) {
  co_await member_.pass(true, at.length);
  co_return co_await below_.write(at, from, how);
}

Task<Result<void>> ThrottleDriver::discard(Extent at, WriteFlags how) {
  co_await member_.pass(true, at.length);
  co_return co_await below_.discard(at, how);
}

Task<Result<void>> ThrottleDriver::writeZeroes(Extent at, WriteFlags how) {
  co_await member_.pass(true, at.length);
  co_return co_await below_.writeZeroes(at, how);
}

namespace {

Task<Result<std::unique_ptr<Driver>>> openThrottle(OpenContext context, DriverOptions options, Children children) {
  const auto& given = options.as<qapi::BlockdevOptionsThrottle>();
  auto group = context.throttleGroups.find(given.throttleGroup);
  if (group == nullptr) {
    co_return Error(fmt::format("there is no throttle group '{}'", given.throttleGroup))
        .where("throttle-group")
        .hint(fmt::format("make it first: object-add qom-type=throttle-group id={}", given.throttleGroup));
  }
  co_return std::make_unique<ThrottleDriver>(children.get("file"), std::move(group));
}

std::string_view changed(const DriverOptions& now, const DriverOptions& asked) {
  const auto& a = now.as<qapi::BlockdevOptionsThrottle>();
  return a.throttleGroup == asked.as<qapi::BlockdevOptionsThrottle>().throttleGroup ? "" : "throttle-group";
}

DriverInfo describe() {
  DriverInfo info;
  info.name = "throttle";
  info.kind = DriverKind::kFilter;
  info.threads = DriverThreads::kAny;
  info.growable = true;
  info.passThrough = true;
  info.children = {{"file", ChildRole::kFiltered, true}};
  info.open = openThrottle;
  info.changedOption = changed;
  return info;
}

}  // namespace

const DriverInfo& throttleDriver() {
  static const DriverInfo kInfo = describe();
  return kInfo;
}

}  // namespace rhea::block
