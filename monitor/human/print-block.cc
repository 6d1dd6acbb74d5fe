// Printers of drives, nodes and their statistics.
#include "monitor/human/print-block.h"

#include "monitor/human/print-rooms.h"
#include "monitor/human/table.h"
#include "qapi/commands-block-core.h"
#include "qapi/commands-block-stats.h"

namespace rhea::monitor {

namespace {

std::string cacheText(const qapi::BlockdevCacheInfo& cache) {
  static constexpr std::pair<std::array<bool, 3>, std::string_view> kModes[] = {{{true, false, false}, "writeback"},
                                                                                {{true, true, false}, "none"},
                                                                                {{false, false, false}, "writethrough"},
                                                                                {{false, true, false}, "directsync"},
                                                                                {{true, false, true}, "unsafe"}};
  const std::array<bool, 3> switches = {cache.writeback, cache.direct, cache.noFlush};
  for (const auto& [mode, name] : kModes) {
    if (mode == switches) return std::string(name);
  }
  return fmt::format("{}{}{}", cache.writeback ? "writeback" : "writethrough", cache.direct ? ", direct" : "",
                     cache.noFlush ? ", ignore flushes" : "");
}

std::string limitsText(const qapi::BlockDeviceInfo& info) {
  const std::pair<std::string_view, std::int64_t> limits[] = {{"bps", info.bps},        {"bps_rd", info.bpsRd},
                                                              {"bps_wr", info.bpsWr},   {"iops", info.iops},
                                                              {"iops_rd", info.iopsRd}, {"iops_wr", info.iopsWr}};
  std::string text;
  for (const auto& [name, value] : limits) {
    if (value != 0) text += fmt::format("{}{}={}", text.empty() ? "" : " ", name, value);
  }
  return text;
}

void appendMedium(std::string& text, const qapi::BlockDeviceInfo& info, bool verbose) {
  std::vector<std::pair<std::string, std::string>> facts;
  facts.emplace_back("Cache mode", cacheText(info.cache));
  if (info.backingFile) {
    facts.emplace_back("Backing file", fmt::format("{} (chain depth: {})", *info.backingFile, info.backingFileDepth));
  }
  if (const std::string limits = limitsText(info); !limits.empty()) facts.emplace_back("I/O throttling", limits);
  if (info.group) facts.emplace_back("Throttle group", *info.group);
  if (info.detectZeroes != qapi::BlockdevDetectZeroesOptions::off) {
    facts.emplace_back("Detect zeroes", std::string(toString(info.detectZeroes)));
  }
  if (verbose) {
    facts.emplace_back("Virtual size",
                       fmt::format("{} ({} bytes)", humanSize(info.image.virtualSize), info.image.virtualSize));
    if (info.image.actualSize) facts.emplace_back("Size on the host", humanSize(*info.image.actualSize));
    if (info.writeThreshold != 0) facts.emplace_back("Write threshold", std::to_string(info.writeThreshold));
  }
  text += renderFacts(facts, 4);
}

std::string heading(const std::string& name, const qapi::BlockDeviceInfo& info) {
  return fmt::format("{}: {} ({}, {}{})", name, info.file, info.drv, humanSize(info.image.virtualSize),
                     info.ro ? ", read-only" : "");
}

Result<std::string> printNodes(const PrintRequest& request) {
  RHEA_TRY(const auto nodes, json::readJson<std::vector<qapi::BlockDeviceInfo>>(request.reply));
  if (nodes.empty()) return std::string("no block node\n");
  Table table({Column("node"), Column("driver"), Column("size", Align::kRight), Column("on host", Align::kRight),
               Column("access"), Column("cache"), Column("file", Align::kLeft, true)});
  for (const qapi::BlockDeviceInfo& node : nodes) {
    std::string cache = node.cache.direct ? "direct" : "";
    if (node.cache.noFlush) cache += cache.empty() ? "no-flush" : " no-flush";
    table.addRow({node.nodeName.value_or(""), node.drv, humanSize(node.image.virtualSize),
                  node.image.actualSize ? humanSize(*node.image.actualSize) : "", node.ro ? "read" : "write", cache,
                  node.file});
  }
  return table.render(request.dress);
}

Result<std::string> printStatistics(const PrintRequest& request) {
  RHEA_TRY(const auto list, json::readJson<std::vector<qapi::BlockStats>>(request.reply));
  if (list.empty()) return std::string("no drive\n");
  Table table({Column("drive"), Column("reads", Align::kRight), Column("read", Align::kRight),
               Column("mean", Align::kRight), Column("writes", Align::kRight), Column("written", Align::kRight),
               Column("mean", Align::kRight), Column("flushes", Align::kRight), Column("mean", Align::kRight),
               Column("failed", Align::kRight)});
  const auto mean = [](std::int64_t nanoseconds, std::int64_t count) {
    return count > 0 ? humanDuration(static_cast<std::uint64_t>(nanoseconds / count)) : std::string();
  };
  const auto size = [](std::int64_t bytes) { return humanSize(static_cast<std::uint64_t>(bytes)); };
  for (const qapi::BlockStats& one : list) {
    const qapi::BlockDeviceStats& stats = one.stats;
    const std::int64_t failed =
        stats.failedRdOperations + stats.failedWrOperations + stats.failedFlushOperations + stats.failedUnmapOperations;
    const std::string name = one.device && !one.device->empty() ? *one.device : one.nodeName.value_or("");
    table.addRow(
        failed > 0 ? Tone::kBad : Tone::kPlain,
        {name, std::to_string(stats.rdOperations), size(stats.rdBytes), mean(stats.rdTotalTimeNs, stats.rdOperations),
         std::to_string(stats.wrOperations), size(stats.wrBytes), mean(stats.wrTotalTimeNs, stats.wrOperations),
         std::to_string(stats.flushOperations), mean(stats.flushTotalTimeNs, stats.flushOperations),
         failed > 0 ? std::to_string(failed) : ""});
  }
  return table.render(request.dress);
}

std::string joined(const std::vector<qapi::BlockPermission>& permissions) {
  std::string text;
  for (const qapi::BlockPermission one : permissions) text.append(text.empty() ? "" : ",").append(toString(one));
  return text.empty() ? std::string("-") : text;
}

Result<std::string> printGraph(const PrintRequest& request) {
  RHEA_TRY(const auto graph, json::readJson<qapi::XDbgBlockGraph>(request.reply));
  if (graph.edges.empty() && graph.nodes.empty()) return std::string("the graph is empty\n");
  std::map<std::uint64_t, std::string> names;
  for (const qapi::XDbgBlockGraphNode& node : graph.nodes) names[node.id] = node.name;
  Table table({Column("user"), Column("uses"), Column("as"), Column("to"), Column("lets others")});
  for (const qapi::XDbgBlockGraphEdge& edge : graph.edges) {
    table.addRow({names[edge.parent], names[edge.child], edge.name, joined(edge.perm), joined(edge.sharedPerm)});
  }
  for (const qapi::XDbgBlockGraphNode& node : graph.nodes) {
    const bool used = std::any_of(graph.edges.begin(), graph.edges.end(),
                                  [&](const auto& edge) { return edge.parent == node.id || edge.child == node.id; });
    if (!used) table.addRow({"(nobody)", node.name});
  }
  return table.render(request.dress);
}

constexpr PrinterRow kRows[] = {
    {"query-blockstats", printStatistics},
    {"query-named-block-nodes", printNodes},
    {"x-debug-query-block-graph", printGraph},
};

}  // namespace

std::span<const PrinterRow> blockPrinters() { return kRows; }

std::string printDrives(const std::vector<qapi::BlockInfo>& drives, bool verbose) {
  std::string text;
  for (const qapi::BlockInfo& drive : drives) {
    if (!text.empty()) text += "\n";
    std::string name = drive.device.empty() ? drive.qdev.value_or("") : drive.device;
    if (!drive.inserted) {
      text += name + ": [not inserted]\n";
      continue;
    }
    if (drive.inserted->nodeName) name += fmt::format(" ({})", *drive.inserted->nodeName);
    text += heading(name, *drive.inserted) + "\n";
    std::vector<std::pair<std::string, std::string>> facts;
    if (drive.qdev) facts.emplace_back("Attached to", *drive.qdev);
    if (drive.ioStatus && *drive.ioStatus != qapi::BlockDeviceIoStatus::ok) {
      facts.emplace_back("I/O status", std::string(toString(*drive.ioStatus)));
    }
    if (drive.qdev && drive.removable) {
      facts.emplace_back("Removable device", fmt::format("{}locked, tray {}", drive.locked ? "" : "not ",
                                                         drive.trayOpen.value_or(false) ? "open" : "closed"));
    }
    text += renderFacts(facts, 4);
    appendMedium(text, *drive.inserted, verbose);
  }
  return text;
}

std::string printNodesAsMedia(const std::vector<qapi::BlockDeviceInfo>& nodes, bool verbose) {
  std::string text;
  for (const qapi::BlockDeviceInfo& node : nodes) {
    if (!text.empty()) text += "\n";
    text += heading(node.nodeName.value_or(""), node) + "\n";
    appendMedium(text, node, verbose);
  }
  return text;
}

}  // namespace rhea::monitor
