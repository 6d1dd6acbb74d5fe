// Bodies: blockdev-set-cache and blockdev-flush.
#include "block/command/support.h"
#include "qapi/commands-block-cache.h"

namespace rhea {

namespace block {

namespace {

qapi::CacheGuestNotice noticeOf(const CacheChange& change, bool forced) {
  using Notice = qapi::CacheGuestNotice;
  if (change.guest == GuestView::kNoGuest) return Notice::noGuest;
  if (change.pendingGuest) return Notice::pendingGuest;
  if (change.guestTold) return Notice::told;
  if (change.guestNotified) return Notice::notified;
  const bool weakened = change.to.writeback && !change.from.writeback;
  return weakened && forced ? Notice::forced : Notice::notNeeded;
}

CacheRequest requestOf(const qapi::BlockdevSetCache& arguments) {
  CacheRequest request;
  if (arguments.mode) request.mode = std::string(toString(*arguments.mode));
  request.writeback = arguments.writeback;
  request.direct = arguments.direct;
  request.noFlush = arguments.noFlush;
  request.force = arguments.force.value_or(false);
  return request;
}

}  // namespace

}  // namespace block

using block::BlockGraph;

Task<Result<qapi::BlockCacheChange>> Command<qapi::BlockdevSetCache>::run(CommandContext context,
                                                                          qapi::BlockdevSetCache arguments) {
  RHEA_CO_TRY(const std::string target, block::oneTarget(arguments.device, arguments.nodeName));
  const bool switches = arguments.writeback || arguments.direct || arguments.noFlush;
  if (arguments.mode && switches) {
    co_return Error("mode and single switches are both given")
        .expected("one of the two: a mode sets all three switches");
  }
  if (!arguments.mode && !switches) {
    co_return Error("nothing to change is given").expected("mode, or any of writeback, direct, no-flush");
  }
  context.setWaitingFor(fmt::format("requests of '{}' that began under the old cache mode, and a flush", target));
  block::CacheRequest request = block::requestOf(arguments);
  RHEA_CO_TRY(const block::CacheChange change,
              co_await context.get<BlockGraph>().setCache(target, request, block::changeContext(context)));
  qapi::BlockCacheChange reply;
  if (!change.disk.empty()) reply.device = change.disk;
  reply.nodeName = change.nodeName;
  reply.from = block::toSchema(change.from);
  reply.to = block::toSchema(change.to);
  if (change.pendingGuest) {
    block::CacheSwitches later = change.to;
    later.writeback = true;
    reply.pending = block::toSchema(later);
  }
  reply.guest = block::noticeOf(change, request.force);
  reply.inFlight = change.requestsInFlight;
  reply.durationUs = block::microseconds(change.took);
  co_return reply;
}

}  // namespace rhea
