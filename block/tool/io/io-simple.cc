// flush, discard, map, alloc, length, info, truncate, sleep.
#include "block/tool/io/io-verb.h"

namespace rhea::block {

Task<Result<IoOutcome>> ioFlush(IoTarget target, IoCall) {
  const Result<void> done = co_await target.disk->flush(Origin::kMonitor);
  if (!done) co_return ioFailed("flush", done.error());
  co_return std::string();
}

Task<Result<IoOutcome>> ioDiscard(IoTarget target, IoCall call) {
  RHEA_CO_TRY(const std::uint64_t offset, call.size(0, "offset"));
  RHEA_CO_TRY(const std::uint64_t length, call.size(1, "length"));
  const Extent at(offset, length);
  const IoReport report(call, "discard", at);
  const Result<void> done = co_await target.disk->discard(at, Origin::kMonitor);
  if (!done) co_return ioFailed("discard", done.error());
  co_return report.text();
}

namespace {

// Neighbours that are alike make one line.
struct MapRun {
  Extent at;
  bool allocated = false;
  std::string line() const {
    return fmt::format("{} ({}) bytes {} at offset {} ({})\n", classicSize(static_cast<double>(at.length)),
                       fmt::format("0x{:x}", at.length), allocated ? "    allocated" : "not allocated",
                       classicSize(static_cast<double>(at.offset)), fmt::format("0x{:x}", at.offset));
  }
};

Result<NodePtr> rootOf(const IoTarget& target) {
  if (!target.disk->hasRoot()) return Error(fmt::format("{} has no medium", target.disk->name()));
  return target.graph.node(target.disk->root().name());
}

}  // namespace

Task<Result<IoOutcome>> ioMap(IoTarget target, IoCall) {
  RHEA_CO_TRY(const NodePtr node, rootOf(target));
  std::string text;
  MapRun run;
  const std::uint64_t length = node->length();
  for (std::uint64_t at = 0; at < length;) {
    Result<BlockStatus> status = co_await node->status(Extent(at, length - at), false);
    if (!status) co_return ioFailed("map", status.error());
    const bool allocated = status->data || !status->zero;
    if (run.at.length != 0 && allocated != run.allocated) {
      text += run.line();
      run.at = Extent(at, 0);
    }
    run.allocated = allocated;
    run.at.length += status->length;
    at += status->length;
  }
  if (run.at.length != 0) text += run.line();
  co_return text;
}

Task<Result<IoOutcome>> ioAlloc(IoTarget target, IoCall call) {
  RHEA_CO_TRY(const NodePtr node, rootOf(target));
  RHEA_CO_TRY(const std::uint64_t offset, call.size(0, "offset"));
  std::uint64_t count = 512;
  if (call.words.size() > 1) {
    RHEA_CO_TRY(count, call.size(1, "count"));
  }
  const std::uint64_t length = node->length();
  if (offset > length) co_return Error(fmt::format("{} lies behind the end of the disk", offset));
  count = std::min(count, length - offset);
  const std::uint64_t end = offset + count;
  std::uint64_t allocated = 0;
  for (std::uint64_t at = offset; at < end;) {
    Result<BlockStatus> status = co_await node->status(Extent(at, end - at), false);
    if (!status) co_return ioFailed("alloc", status.error());
    const std::uint64_t part = std::min(status->length, end - at);
    if (status->data || !status->zero) allocated += part;
    at += part;
  }
  co_return fmt::format("{}/{} bytes allocated at offset {}\n", allocated, count,
                        classicSize(static_cast<double>(offset)));
}

Task<Result<IoOutcome>> ioLength(IoTarget target, IoCall) {
  co_return classicSize(static_cast<double>(target.disk->length())) + "\n";
}

Task<Result<IoOutcome>> ioInfo(IoTarget target, IoCall) {
  RHEA_CO_TRY(const NodePtr node, rootOf(target));
  RHEA_CO_TRY(const ImageInfo image, co_await target.graph.imageInfo(node, target.context.cancel));
  std::string text = fmt::format("format name: {}\n", node->info().name);
  if (image.clusterSize)
    text += fmt::format("cluster size: {}\n", classicSize(static_cast<double>(*image.clusterSize)));
  co_return text + fmt::format("file name: {}\nlength: {} bytes\ncache mode: {}\n", node->fileName(), node->length(),
                               describe(target.graph.cacheOf(*target.disk)));
}

namespace {

Result<Preallocation> preallocationOf(const std::string& name) {
  static constexpr std::array<std::string_view, 4> kNames = {"off", "metadata", "falloc", "full"};
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end())
    return Error(fmt::format("'{}' is no preallocation", name)).expected("off, metadata, falloc or full");
  return static_cast<Preallocation>(found - kNames.begin());
}

}  // namespace

Task<Result<IoOutcome>> ioTruncate(IoTarget target, IoCall call) {
  RHEA_CO_TRY(const NodePtr node, rootOf(target));
  RHEA_CO_TRY(const std::uint64_t length, call.size(0, "length"));
  if (call.has('m')) {
    RHEA_CO_TRY(const Preallocation how, preallocationOf(call.switches['m']));
    RHEA_CO_CHECK(co_await target.disk->rootEdge().resize(length, how));
    co_return std::string();
  }
  RHEA_CO_CHECK(co_await target.graph.resizeNode(node->name(), length, target.context));
  co_return std::string();
}

Task<Result<IoOutcome>> ioSleep(IoTarget target, IoCall call) {
  RHEA_CO_TRY(const std::uint64_t milliseconds, call.size(0, "number of milliseconds"));
  if (milliseconds > 3600000) co_return Error("that is more than an hour").expected("at most 3600000");
  RHEA_CO_CHECK(co_await Loop::current()->sleep(std::chrono::milliseconds(milliseconds), target.context.cancel));
  co_return std::string();
}

}  // namespace rhea::block
