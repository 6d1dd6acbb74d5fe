// From the schema's words to the filter's own, and its entry in the table.
#include <bit>

#include "block/driver/blkdebug/blkdebug.h"
#include "qapi/types-block-options.h"

namespace rhea::block {

namespace {

Duration milliseconds(std::uint64_t count) {
  // A century is for ever, and does not overflow when added to now.
  constexpr std::uint64_t kMost = std::uint64_t{100} * 366 * 24 * 3600 * 1000;
  return std::chrono::milliseconds(std::min(count, kMost));
}

DebugEvent eventOf(qapi::BlkdebugEvent event) { return *debugEventOf(qapi::toString(event)); }

DebugKind kindOf(qapi::BlkdebugIOType type) {
  switch (type) {
    case qapi::BlkdebugIOType::read:
      return DebugKind::kRead;
    case qapi::BlkdebugIOType::write:
      return DebugKind::kWrite;
    case qapi::BlkdebugIOType::writeZeroes:
      return DebugKind::kWriteZeroes;
    case qapi::BlkdebugIOType::discard:
      return DebugKind::kDiscard;
    case qapi::BlkdebugIOType::flush:
      return DebugKind::kFlush;
    case qapi::BlkdebugIOType::blockStatus:
      break;
  }
  return DebugKind::kBlockStatus;
}

Result<FaultRule> faultOf(const qapi::BlkdebugInjectErrorOptions& given, std::size_t index) {
  const auto place = [index](std::string_view member) { return fmt::format("inject-error[{}].{}", index, member); };
  FaultRule rule;
  rule.event = eventOf(given.event);
  rule.state = given.state.value_or(0);
  if (given.iotype) rule.kind = kindOf(*given.iotype);
  const std::int64_t error = given.errno_.value_or(given.lie.value_or(false) ? 0 : 5);
  if (error < 0 || error > 4095) {
    return Error(fmt::format("{} is no error number", error)).where(place("errno")).expected("0 to 4095");
  }
  rule.error = static_cast<int>(error);
  rule.lie = given.lie.value_or(false);
  const std::int64_t sector = given.sector.value_or(-1);
  if (sector < -1 || sector > static_cast<std::int64_t>(Extent::kMost / 512)) {
    return Error(fmt::format("there is no sector {}", sector)).where(place("sector"));
  }
  if (sector >= 0) rule.sector = static_cast<std::uint64_t>(sector);
  rule.once = given.once.value_or(false);
  rule.immediately = given.immediately.value_or(false);
  rule.skip = given.skip.value_or(0);
  rule.delay = milliseconds(given.delayMs.value_or(0));
  rule.hold = given.hold.value_or("");
  rule.after = milliseconds(given.afterMs.value_or(0));
  if (given.forMs) rule.lasting = milliseconds(*given.forMs);
  return rule;
}

Task<Result<std::unique_ptr<Driver>>> openBlkdebug(OpenContext, DriverOptions options, Children children) {
  RHEA_CO_TRY(BlkdebugOptions own, blkdebugOptions(options));
  co_return std::make_unique<BlkdebugDriver>(children.get("image"), std::move(own));
}

DriverInfo describe() {
  DriverInfo info;
  info.name = "blkdebug";
  info.kind = DriverKind::kFilter;
  info.threads = DriverThreads::kAny;
  info.growable = true;
  info.passThrough = true;
  info.latchesFlush = true;
  info.children = {{"image", ChildRole::kFiltered, true}};
  info.open = openBlkdebug;
  return info;
}

}  // namespace

Result<BlkdebugOptions> blkdebugOptions(const DriverOptions& options) {
  const auto& given = options.as<qapi::BlockdevOptionsBlkdebug>();
  BlkdebugOptions own;
  own.align = given.align.value_or(0);
  if (own.align != 0 && (!std::has_single_bit(own.align) || own.align > (1U << 30))) {
    return Error(fmt::format("{} is no alignment", own.align)).where("align").expected("a power of two up to 1 GiB");
  }
  own.maxTransfer = given.maxTransfer.value_or(0);
  if (own.align != 0 && own.maxTransfer % own.align != 0) {
    return Error(fmt::format("the longest request, {} bytes, is no multiple of the alignment of {}", own.maxTransfer,
                             own.align))
        .where("max-transfer");
  }
  if (given.injectError) {
    for (std::size_t i = 0; i < given.injectError->size(); ++i) {
      RHEA_TRY(FaultRule rule, faultOf((*given.injectError)[i], i));
      own.faults.push_back(std::move(rule));
    }
  }
  if (given.setState) {
    for (const auto& rule : *given.setState) {
      own.states.push_back({eventOf(rule.event), rule.state.value_or(0), rule.newState});
    }
  }
  return own;
}

const DriverInfo& blkdebugDriver() {
  static const DriverInfo kInfo = describe();
  return kInfo;
}

}  // namespace rhea::block
