#include "block/command/graph-events.h"

#include "block/command/support.h"
#include "qapi/events-block-cache.h"
#include "qapi/events-block-core.h"

namespace rhea::block {

void GraphEvents::cacheChanged(const CacheChanged& change) {
  qapi::BlockCacheChangedEvent event;
  if (!change.disk.empty()) event.device = change.disk;
  event.nodeName = change.nodeName;
  event.from = toSchema(change.from);
  event.to = toSchema(change.to);
  event.inFlight = change.requestsInFlight;
  event.durationUs = microseconds(change.took);
  event.pendingGuest = change.pendingGuest;
  event.forced = change.forced;
  event.who = change.who.empty() ? "the program" : change.who;
  qapi::emit(events_, event);
  log_.info("cache mode of '{}': {} -> {} by {} in {} us, {} requests in flight{}",
            change.disk.empty() ? change.nodeName : change.disk, describe(change.from), describe(change.to), event.who,
            event.durationUs, change.requestsInFlight,
            change.pendingGuest ? "; write-back waits for the guest" : (change.forced ? "; forced" : ""));
}

void GraphEvents::ioError(const IoErrorReport& report) {
  qapi::BlockIoErrorEvent event;
  event.device = report.disk;
  if (!report.nodeName.empty()) event.nodeName = report.nodeName;
  event.operation = report.kind == IoKind::kRead ? qapi::IoOperationType::read : qapi::IoOperationType::write;
  switch (report.action) {
    case ErrorAction::kReport:
      event.action = qapi::BlockErrorAction::report;
      break;
    case ErrorAction::kIgnore:
      event.action = qapi::BlockErrorAction::ignore;
      break;
    case ErrorAction::kStop:
      event.action = qapi::BlockErrorAction::stop;
      event.nospace = report.noSpace;
      break;
  }
  event.reason = report.reason;
  if (report.needsReopen) {
    event.reason += " (a flush has failed: reopen the node, cont alone does not help)";
    event.needsReopen = true;
  }
  qapi::emit(events_, event);
}

void GraphEvents::writeThreshold(std::string_view nodeName, std::uint64_t exceededBy, std::uint64_t threshold) {
  qapi::BlockWriteThresholdEvent event;
  event.nodeName = nodeName;
  event.amountExceeded = exceededBy;
  event.writeThreshold = threshold;
  qapi::emit(events_, event);
}

void GraphEvents::flushLatched(std::string_view nodeName, const std::string& why) {
  log_.error(
      "node '{}': {}. Data that was written and not yet flushed may be lost; flushes fail until the node is reopened",
      nodeName, why);
}

void GraphEvents::imageCorrupted(const ImageCorrupted& report) {
  qapi::BlockImageCorruptedEvent event;
  event.nodeName = report.nodeName;
  event.msg = report.message;
  if (report.offset) event.offset = static_cast<std::int64_t>(*report.offset);
  if (report.size) event.size = static_cast<std::int64_t>(*report.size);
  event.fatal = report.fatal;
  qapi::emit(events_, event);
  log_.error("image of node '{}' is damaged: {}{}", report.nodeName, report.message,
             report.fatal ? "; writes are refused until it is repaired" : "");
}

void GraphEvents::note(const std::string& line) { log_.warning("{}", line); }

}  // namespace rhea::block
