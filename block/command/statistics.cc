// Bodies: query-blockstats and block-latency-histogram-set.
#include "block/command/support.h"
#include "qapi/commands-block-stats.h"

namespace rhea {

namespace block {

namespace {

std::int64_t wire(std::uint64_t number) { return static_cast<std::int64_t>(number); }

std::optional<qapi::BlockLatencyHistogramInfo> histogramOf(const Statistics& statistics, IoKind kind) {
  std::optional<HistogramData> data = statistics.histogram(kind).read();
  if (!data) return std::nullopt;
  qapi::BlockLatencyHistogramInfo info;
  info.boundaries = std::move(data->boundaries);
  info.bins = std::move(data->bins);
  return info;
}

// Numbers that only some drivers have, by their names on the wire.
std::optional<qapi::BlockStatsSpecific> specificOf(const Node& node) {
  const std::optional<qapi::BlockdevDriver> driver = qapi::fromString<qapi::BlockdevDriver>(node.info().name);
  if (node.informer() == nullptr || !driver) return std::nullopt;
  const auto counters = node.informer()->counters();
  if (counters.empty()) return std::nullopt;
  const auto find = [&](std::string_view name) -> std::uint64_t {
    for (const auto& [counter, value] : counters) {
      if (counter == name) return value;
    }
    return 0;
  };
  qapi::BlockStatsSpecific specific;
  specific.driver = *driver;
  if (*driver == qapi::BlockdevDriver::sheepdog) {
    qapi::BlockStatsSpecificSheepdog sheepdog;
    sheepdog.requests = find("requests");
    sheepdog.replies = find("replies");
    sheepdog.resent = find("resent");
    sheepdog.connections = find("connections");
    sheepdog.connectionsLost = find("connections-lost");
    sheepdog.discardNbOk = find("discard-nb-ok");
    sheepdog.discardBytesOk = find("discard-bytes-ok");
    specific.u = sheepdog;
    return specific;
  }
  qapi::BlockStatsSpecificFile file;
  file.discardNbOk = find("discard-nb-ok");
  file.discardNbFailed = find("discard-nb-failed");
  file.discardBytesOk = find("discard-bytes-ok");
  specific.u = file;
  return specific;
}

qapi::BlockDeviceTimedStats timedOf(const IntervalStatistics& interval, TimePoint now) {
  const IntervalCounts reads = interval.counts(IoKind::kRead, now);
  const IntervalCounts writes = interval.counts(IoKind::kWrite, now);
  const IntervalCounts flushes = interval.counts(IoKind::kFlush, now);
  qapi::BlockDeviceTimedStats timed;
  timed.intervalLength = std::chrono::duration_cast<std::chrono::seconds>(interval.length()).count();
  timed.minRdLatencyNs = wire(reads.shortest);
  timed.maxRdLatencyNs = wire(reads.longest);
  timed.avgRdLatencyNs = wire(reads.mean);
  timed.minWrLatencyNs = wire(writes.shortest);
  timed.maxWrLatencyNs = wire(writes.longest);
  timed.avgWrLatencyNs = wire(writes.mean);
  timed.minFlushLatencyNs = wire(flushes.shortest);
  timed.maxFlushLatencyNs = wire(flushes.longest);
  timed.avgFlushLatencyNs = wire(flushes.mean);
  timed.avgRdQueueDepth = reads.depth;
  timed.avgWrQueueDepth = writes.depth;
  return timed;
}

qapi::BlockDeviceStats statsOf(const Statistics& statistics, TimePoint now) {
  const IoCounts reads = statistics.counts(IoKind::kRead);
  const IoCounts writes = statistics.counts(IoKind::kWrite);
  const IoCounts flushes = statistics.counts(IoKind::kFlush);
  const IoCounts discards = statistics.counts(IoKind::kDiscard);
  qapi::BlockDeviceStats stats;
  stats.rdBytes = wire(reads.bytes);
  stats.wrBytes = wire(writes.bytes);
  stats.unmapBytes = wire(discards.bytes);
  stats.rdOperations = wire(reads.operations);
  stats.wrOperations = wire(writes.operations);
  stats.flushOperations = wire(flushes.operations);
  stats.unmapOperations = wire(discards.operations);
  stats.rdTotalTimeNs = wire(reads.nanoseconds);
  stats.wrTotalTimeNs = wire(writes.nanoseconds);
  stats.flushTotalTimeNs = wire(flushes.nanoseconds);
  stats.unmapTotalTimeNs = wire(discards.nanoseconds);
  stats.wrHighestOffset = wire(statistics.highestWritten());
  stats.rdMerged = wire(reads.merged);
  stats.wrMerged = wire(writes.merged);
  stats.unmapMerged = wire(discards.merged);
  if (const std::optional<Duration> idle = statistics.idle(now)) stats.idleTimeNs = idle->count();
  stats.failedRdOperations = wire(reads.failed);
  stats.failedWrOperations = wire(writes.failed);
  stats.failedFlushOperations = wire(flushes.failed);
  stats.failedUnmapOperations = wire(discards.failed);
  stats.invalidRdOperations = wire(reads.invalid);
  stats.invalidWrOperations = wire(writes.invalid);
  stats.invalidFlushOperations = wire(flushes.invalid);
  stats.invalidUnmapOperations = wire(discards.invalid);
  stats.accountInvalid = statistics.accountsInvalid();
  stats.accountFailed = statistics.accountsFailed();
  stats.rdLatencyHistogram = histogramOf(statistics, IoKind::kRead);
  stats.wrLatencyHistogram = histogramOf(statistics, IoKind::kWrite);
  stats.flushLatencyHistogram = histogramOf(statistics, IoKind::kFlush);
  for (const auto& interval : statistics.intervals()) stats.timedStats.push_back(timedOf(*interval, now));
  return stats;
}

// The node's own numbers, and below them those of the node that holds its bytes.
qapi::BlockStats statsOfNode(const Node& node, TimePoint now) {
  qapi::BlockStats stats;
  stats.nodeName = node.name();
  stats.stats = statsOf(node.statistics(), now);
  stats.stats.wrHighestOffset = wire(node.highestWritten());
  stats.driverSpecific = specificOf(node);
  const auto holdsBytes = [](const auto& child) {
    return child->isAttached() && (child->role() == ChildRole::kFiltered || child->role() == ChildRole::kData);
  };
  const auto below = std::ranges::find_if(node.children(), holdsBytes);
  if (below != node.children().end()) stats.parent = statsOfNode((*below)->node(), now);
  return stats;
}

Result<void> configure(Statistics& statistics, IoKind kind, std::optional<std::vector<std::uint64_t>> boundaries) {
  if (!boundaries) return success();
  if (boundaries->empty()) return Error("the list of boundaries is empty").hint("give only id to stop the histograms");
  return statistics.histogram(kind).configure(*std::move(boundaries));
}

}  // namespace

}  // namespace block

using block::BlockGraph;
using block::IoKind;

Task<Result<std::vector<qapi::BlockStats>>> Command<qapi::QueryBlockstats>::run(CommandContext context,
                                                                                qapi::QueryBlockstats arguments) {
  const BlockGraph& graph = context.get<BlockGraph>();
  const TimePoint now = Clock::now();
  std::vector<qapi::BlockStats> list;
  if (arguments.queryNodes.value_or(false)) {
    for (const block::NodePtr& node : graph.nodes()) list.push_back(block::statsOfNode(*node, now));
    co_return list;
  }
  for (const block::DiskPtr& disk : graph.disks()) {
    qapi::BlockStats stats;
    if (disk->hasRoot()) stats = block::statsOfNode(disk->root(), now);
    stats.device = disk->id();
    if (disk->hasDevice()) stats.qdev = disk->qomPath();
    stats.stats = block::statsOf(disk->statistics(), now);
    list.push_back(std::move(stats));
  }
  co_return list;
}

Task<Result<void>> Command<qapi::BlockLatencyHistogramSet>::run(CommandContext context,
                                                                qapi::BlockLatencyHistogramSet arguments) {
  RHEA_CO_TRY(const block::DiskPtr disk, context.get<BlockGraph>().disk(arguments.id));
  const std::array<std::pair<IoKind, std::optional<std::vector<std::uint64_t>>>, 3> settings = {
      std::pair(IoKind::kRead, arguments.boundariesRead ? arguments.boundariesRead : arguments.boundaries),
      std::pair(IoKind::kWrite, arguments.boundariesWrite ? arguments.boundariesWrite : arguments.boundaries),
      std::pair(IoKind::kFlush, arguments.boundariesFlush ? arguments.boundariesFlush : arguments.boundaries)};
  const bool stop =
      std::none_of(settings.begin(), settings.end(), [](const auto& one) { return one.second.has_value(); });
  block::Statistics probe;  // checks all before any is changed
  for (const auto& [kind, boundaries] : settings) RHEA_CO_CHECK(block::configure(probe, kind, boundaries));
  for (const auto& [kind, boundaries] : settings) {
    if (stop) {
      RHEA_CO_CHECK(disk->statistics().histogram(kind).configure(std::vector<std::uint64_t>()));
    } else {
      RHEA_CO_CHECK(block::configure(disk->statistics(), kind, boundaries));
    }
  }
  co_return success();
}

}  // namespace rhea
