// Printers of what a completed write is worth: cache modes, flushes, durability, what is stuck.
#include "monitor/human/print-rooms.h"
#include "monitor/human/table.h"
#include "qapi/commands-block-cache.h"
#include "qapi/commands-block-what-if.h"

namespace rhea::monitor {

namespace {

std::string microseconds(std::uint64_t count) { return humanDuration(count * 1000); }

// "writethrough", or the switches where they have no name.
std::string modeName(const qapi::CacheSettings& settings) {
  if (settings.mode) return std::string(toString(*settings.mode));
  return fmt::format("writeback {}, direct {}, no-flush {}", settings.writeback ? "on" : "off",
                     settings.direct ? "on" : "off", settings.noFlush ? "on" : "off");
}

std::string_view noticeText(qapi::CacheGuestNotice notice) {
  using Notice = qapi::CacheGuestNotice;
  switch (notice) {
    case Notice::noGuest:
      return "no guest to tell";
    case Notice::notNeeded:
      return "nothing to tell the guest";
    case Notice::told:
      return "the guest has been told";
    case Notice::notified:
      return "the guest has been notified";
    case Notice::pendingGuest:
      return "write-back waits for the guest's next reset or request (block_set_cache -f turns it on at once)";
    case Notice::forced:
      return "forced: the guest still believes that completed writes are stable";
  }
  return "";
}

Result<std::string> printCacheChange(const PrintRequest& request) {
  RHEA_TRY(const auto change, json::readJson<qapi::BlockCacheChange>(request.reply));
  const std::string& target = change.device ? *change.device : change.nodeName;
  if (modeName(change.from) == modeName(change.to) && !change.pending)
    return fmt::format("{}: {} as before\n", target, modeName(change.to));
  std::string text =
      fmt::format("{}: {} -> {} in {}, {} requests in flight at the switch; {}\n", target, modeName(change.from),
                  modeName(change.to), microseconds(change.durationUs), change.inFlight, noticeText(change.guest));
  if (change.pending) text += fmt::format("  pending: {}\n", modeName(*change.pending));
  return text;
}

Result<std::string> printFlush(const PrintRequest& request) {
  RHEA_TRY(const auto list, json::readJson<std::vector<qapi::BlockFlushInfo>>(request.reply));
  if (list.empty()) return std::string("nothing to flush: there is no disk\n");
  Table table({Column("disk"), Column("node"), Column("took", Align::kRight), Column("changes", Align::kRight),
               Column("bytes", Align::kRight), Column("now")});
  for (const qapi::BlockFlushInfo& disk : list) {
    table.addRow(disk.stable ? Tone::kPlain : Tone::kWarning,
                 {disk.device.value_or(""), disk.nodeName, microseconds(disk.durationUs), std::to_string(disk.writes),
                  humanSize(disk.bytes), disk.stable ? "on stable storage" : "with the host only: no-flush is on"});
  }
  return table.render(request.dress);
}

std::string_view beliefText(qapi::GuestCacheBelief belief) {
  using Belief = qapi::GuestCacheBelief;
  switch (belief) {
    case Belief::noGuest:
      return "no guest attached";
    case Belief::writeBack:
      return "its cache is volatile, it flushes";
    case Belief::writeThrough:
      return "completed writes are stable";
    case Belief::cannotFlush:
      return "cannot flush, served write-through";
  }
  return "";
}

std::string hostText(const qapi::DurabilityHost& host) {
  std::string text = host.filesystem.value_or("unknown file system");
  if (host.device) text += fmt::format(" on {}", *host.device);
  if (host.deviceWriteCache) text += fmt::format(", device cache {}", *host.deviceWriteCache);
  if (host.directPossible) text += *host.directPossible ? ", takes O_DIRECT" : ", refuses O_DIRECT";
  if (host.offsetAlignment) text += fmt::format(" (aligned to {})", humanSize(*host.offsetAlignment));
  return text;
}

std::string unflushedText(const qapi::UnflushedChanges& changes) {
  if (changes.writes == 0) return "nothing";
  std::string text = fmt::format("{} in {} changes", humanSize(changes.bytes), changes.writes);
  if (changes.ageUs) text += fmt::format(", the oldest {} ago", microseconds(*changes.ageUs));
  return text;
}

std::string_view methodText(qapi::WriteMethod method) {
  switch (method) {
    case qapi::WriteMethod::rwfDsync:
      return "RWF_DSYNC on each write";
    case qapi::WriteMethod::fdatasync:
      return "fdatasync after each write";
    case qapi::WriteMethod::notTried:
      return "RWF_DSYNC where the file takes it (not tried yet)";
  }
  return "";
}

void appendNode(std::string& text, const qapi::DurabilityNode& node, std::size_t columns) {
  text += fmt::format("  {} ({}){}\n", node.nodeName, node.drv, node.file ? ": " + *node.file : std::string());
  std::vector<std::pair<std::string, std::string>> facts;
  for (const qapi::DurabilityDescriptor& one : node.descriptors) {
    std::string flags;
    for (const std::string& flag : one.flags) flags.append(flags.empty() ? "" : " ").append(flag);
    facts.emplace_back(fmt::format("fd {}", one.fd),
                       flags + (one.retiring ? " (old mode, its last requests run)" : ""));
  }
  if (node.direct || node.noFlush) {
    facts.emplace_back("switches",
                       fmt::format("direct {}, no-flush {}", node.direct ? "on" : "off", node.noFlush ? "on" : "off"));
  }
  if (node.writeThrough) facts.emplace_back("write-through", std::string(methodText(*node.writeThrough)));
  if (node.engine) facts.emplace_back("engine", *node.engine);
  if (node.host) facts.emplace_back("host", hostText(*node.host));
  facts.emplace_back("unflushed", unflushedText(node.unflushed));
  if (node.lastFlush) {
    facts.emplace_back("last flush",
                       fmt::format("{} ago, took {}{}", microseconds(node.lastFlush->agoUs),
                                   microseconds(node.lastFlush->durationUs), node.lastFlush->ok ? "" : ", FAILED"));
  }
  if (node.failed) facts.emplace_back("FAILED", *node.failed);
  if (node.unknown) facts.emplace_back("unknown", *node.unknown);
  if (node.note) facts.emplace_back("note", *node.note);
  text += renderFacts(facts, 4, columns);
}

Result<std::string> printDurability(const PrintRequest& request) {
  RHEA_TRY(const auto list, json::readJson<std::vector<qapi::BlockDurability>>(request.reply));
  if (list.empty()) return std::string("no disk\n");
  std::string text;
  for (const qapi::BlockDurability& disk : list) {
    if (!text.empty()) text += "\n";
    const std::string name = disk.device.empty() ? disk.nodeName.value_or("(no medium)") : disk.device;
    text += request.dress.paint(Tone::kHeading, fmt::format("{}: {}", name, modeName(disk.cache))) + "\n";
    text += "  " +
            request.dress.paint(disk.safe ? Tone::kGood : Tone::kWarning,
                                wrapped(disk.verdict, request.dress.columns(), 2, 2)) +
            "\n";
    text += fmt::format("  the guest was told: {}\n", beliefText(disk.guest));
    if (disk.pendingGuest) text += "  write-back is armed: it begins at the guest's next reset or request\n";
    if (disk.effectiveWriteback != disk.cache.writeback && !disk.pendingGuest) {
      text += "  requests are served write-through, for the guest's sake\n";
    }
    if (disk.inFlight != 0)
      text += fmt::format("  {} requests in flight: nothing is promised for them\n", disk.inFlight);
    if (disk.forced) text += "  write-back was forced on against what the guest was told\n";
    for (const qapi::DurabilityNode& node : disk.nodes) appendNode(text, node, request.dress.columns());
  }
  return text;
}

Result<std::string> printStuck(const PrintRequest& request) {
  RHEA_TRY(const auto list, json::readJson<std::vector<qapi::StuckItem>>(request.reply));
  if (list.empty()) return std::string("nothing has been under way for more than a second\n");
  Table table({Column("age", Align::kRight), Column("kind"), Column("what"), Column("disk"), Column("node"),
               Column("offset", Align::kRight), Column("length", Align::kRight), Column("fd", Align::kRight),
               Column("who"), Column("waits for", Align::kLeft, true)});
  for (const qapi::StuckItem& item : list) {
    const auto number = [](const auto& value) { return value ? std::to_string(*value) : std::string(); };
    table.addRow({microseconds(item.ageUs), std::string(toString(item.kind)), item.what, item.device.value_or(""),
                  item.nodeName.value_or(""), number(item.offset), item.length ? humanSize(*item.length) : "",
                  number(item.fd), item.who.value_or(""), item.waitingFor.value_or(item.file.value_or(""))});
  }
  return table.render(request.dress);
}

Result<std::string> printArmed(const PrintRequest& request) {
  RHEA_TRY(const auto armed, json::readJson<qapi::WhatIfArmed>(request.reply));
  return fmt::format("armed above node {}, with room for {} of former content; the flush took {}\n", armed.nodeName,
                     humanSize(armed.limit), microseconds(armed.durationUs));
}

// The first ranges of a node, and how many there are.
void appendPlaces(std::string& text, const qapi::WhatIfNode& node) {
  constexpr std::size_t kShown = 16;
  std::uint64_t bytes = 0;
  for (const qapi::WhatIfExtent& each : node.extents) bytes += each.length;
  text += fmt::format("  {} ({}): {}{} in {} places\n", node.nodeName, node.drv, node.complete ? "" : "more than ",
                      humanSize(bytes), node.extents.size());
  for (std::size_t i = 0; i < std::min(kShown, node.extents.size()); ++i) {
    text += fmt::format("    {:#012x} {}\n", node.extents[i].offset, humanSize(node.extents[i].length));
  }
  if (node.extents.size() > kShown) text += fmt::format("    and {} more\n", node.extents.size() - kShown);
}

Result<std::string> printPowerFail(const PrintRequest& request) {
  RHEA_TRY(const auto list, json::readJson<std::vector<qapi::WhatIfLoss>>(request.reply));
  if (list.empty()) return std::string("no disk\n");
  std::string text;
  for (const qapi::WhatIfLoss& disk : list) {
    if (!text.empty()) text += "\n";
    const bool good = disk.unflushed.writes == 0 && (!disk.image || disk.image->usable);
    text += request.dress.paint(Tone::kHeading, (disk.device.empty() ? disk.nodeName : disk.device) + ":") + "\n  ";
    text +=
        request.dress.paint(good ? Tone::kGood : Tone::kWarning, wrapped(disk.verdict, request.dress.columns(), 2, 2)) +
        "\n";
    if (disk.inFlight != 0)
      text += fmt::format("  {} requests in flight: nothing is promised for them\n", disk.inFlight);
    for (const qapi::WhatIfNode& node : disk.nodes) appendPlaces(text, node);
  }
  return text;
}

constexpr PrinterRow kRows[] = {
    {"blockdev-flush", printFlush},        {"blockdev-set-cache", printCacheChange},
    {"query-durability", printDurability}, {"query-stuck", printStuck},
    {"what-if-arm", printArmed},           {"what-if-power-fail", printPowerFail},
};

}  // namespace

std::span<const PrinterRow> cachePrinters() { return kRows; }

}  // namespace rhea::monitor
