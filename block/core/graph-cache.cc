// The commands of cache modes: blockdev-set-cache, the guest's own toggle, blockdev-reopen.
#include <fmt/format.h>

#include "block/core/cache-switcher.h"
#include "block/core/graph-change.h"
#include "block/core/graph-internal.h"

namespace rhea::block {

namespace {

constexpr std::string_view kReset = "reset";  // who changed the mode, where a reset of the device did

Result<CacheSwitches> wanted(const CacheRequest& request, CacheSwitches now) {
  const bool single = request.writeback || request.direct || request.noFlush;
  if (request.mode) {
    if (single) return Error("a mode's name and single switches exclude each other").where("mode");
    return cacheSwitchesOf(*request.mode);
  }
  if (!single) return Error("nothing to change").expected("mode, or any of writeback, direct, no-flush");
  CacheSwitches to = now;
  to.writeback = request.writeback.value_or(now.writeback);
  to.direct = request.direct.value_or(now.direct);
  to.noFlush = request.noFlush.value_or(now.noFlush);
  return to;
}

}  // namespace

CacheSwitches BlockGraph::cacheOf(const Disk& disk) {
  if (!disk.hasRoot()) return {disk.hostWriteback(), false, false};
  return {disk.hostWriteback(), disk.root().isDirect(), disk.root().isNoFlush()};
}

Task<Result<CacheChange>> BlockGraph::setCache(std::string target, CacheRequest request, ChangeContext context) {
  DiskPtr disk = findDisk(target);
  NodePtr node = disk == nullptr ? findNode(target) : nullptr;
  if (disk == nullptr && node == nullptr) co_return unknownTarget(target);
  if (disk == nullptr) {
    // A node that is the root of exactly one disk stands for it.
    const auto& users = node->parents();
    if (users.size() == 1 && users.front()->disk() != nullptr) disk = findDisk(users.front()->disk()->name());
    const bool needsDisk = request.mode.has_value() || request.writeback.has_value();
    if (disk == nullptr && needsDisk) {
      const bool onlyName = request.mode.has_value();
      co_return Error(fmt::format("node '{}' is not the root of exactly one disk, and {}", node->name(),
                                  onlyName ? "a mode's name sets write-back too, which belongs to a disk"
                                           : "write-back belongs to a disk"))
          .hint("name the disk, or change direct and no-flush alone");
    }
  }
  if (disk != nullptr && !disk->hasRoot()) co_return Error(fmt::format("disk '{}' has no medium", disk->name()));
  const CancelToken cancel = context.cancel;
  if (disk != nullptr) {
    Task<Result<CacheChange>> change = doSetDiskCache(std::move(disk), std::move(request), std::move(context));
    co_return co_await abandonable(std::move(change), cancel);
  }
  Task<Result<CacheChange>> change = doSetNodeCache(std::move(node), std::move(request), std::move(context));
  co_return co_await abandonable(std::move(change), cancel);
}

Task<Result<CacheChange>> BlockGraph::doSetDiskCache(DiskPtr disk, CacheRequest request, ChangeContext context) {
  const Operation operation(*this, "set-cache", disk->name());
  RHEA_CO_TRY(const Mutex::Lock mode, co_await disk->modeChanges_.lock(context.cancel));
  if (!disk->hasRoot()) co_return Error(fmt::format("disk '{}' has no medium", disk->name()));
  const CacheSwitches from = cacheOf(*disk);
  RHEA_CO_TRY(const CacheSwitches to, wanted(request, from));
  RHEA_CO_CHECK(checkHostChoice(to));

  CacheChange change;
  change.disk = disk->name();
  change.nodeName = disk->root().name();
  change.from = from;
  const TimePoint start = Clock::now();

  bool pending = false;
  bool forced = false;
  const bool chainChanges = to.direct != from.direct || to.noFlush != from.noFlush || chainDiffers(disk->root(), to);
  CacheSwitcher switcher(*this, context.cancel);
  switcher.addDisk(disk);
  if (chainChanges) RHEA_CO_CHECK(switcher.planChain(disk->root(), to.direct, to.noFlush));

  GuestLink* guest = disk->guest_;
  const bool weaker = to.writeback && !from.writeback;
  const bool listens = guest != nullptr && guest->canFlush();
  if (weaker && guest != nullptr) {
    // Weaker: the guest hears of it first. One that cannot be told would not flush what it believes to be stable.
    const bool knows = guest->believesVolatile();
    const bool hears = guest->tell(true);
    change.guestTold = listens && (knows || hears);
    // A guest that turned its own cache off is served write-through until it says otherwise. No force makes write-back
    // act for one that could never flush.
    const bool trusts = disk->guestWriteback_ && !change.guestTold;
    forced = trusts && listens && request.force;
    pending = trusts && !forced;
  } else if (to.writeback) {
    pending = disk->pendingGuest_ && !request.force;
    forced = disk->forced_ || (disk->pendingGuest_ && request.force);
  }
  const bool sameGuest = pending == disk->pendingGuest_ && forced == disk->forced_;
  const bool pendingBefore = disk->pendingGuest_;
  switcher.planDisk(*disk, to.writeback, pending, forced);
  Result<void> switched = co_await switcher.run();
  guest = disk->guest_;
  if (!switched.ok()) {
    if (weaker && guest != nullptr) guest->tell(false);
    co_return switched.takeError();
  }
  if (from.writeback && !to.writeback && guest != nullptr) {
    change.guestTold = guest->tell(false);
    change.guestNotified = !change.guestTold && guest->canFlush();
  }

  // What waits for the guest does not hold yet.
  change.from.writeback = from.writeback && !pendingBefore;
  change.to = cacheOf(*disk);
  change.to.writeback = change.to.writeback && !pending;
  change.guest = disk->guestView();
  change.pendingGuest = pending;
  change.requestsInFlight = switcher.requestsInFlight();
  change.took = Clock::now() - start;
  disk->announcedWriteback_ = disk->wantsWriteback();
  if (from != to || chainChanges || !sameGuest) tellChange(change, disk->qomPath(), context.who, forced);
  co_return change;
}

Task<Result<CacheChange>> BlockGraph::doSetNodeCache(NodePtr node, CacheRequest request, ChangeContext context) {
  const Operation operation(*this, "set-cache", node->name());
  if (node->closing_) co_return Error(fmt::format("node '{}' is being closed", node->name()));
  const CacheSwitches from(true, node->isDirect(), node->isNoFlush());
  RHEA_CO_TRY(const CacheSwitches to, wanted(request, from));
  CacheChange change;
  change.nodeName = node->name();
  change.from = from;
  const TimePoint start = Clock::now();
  const bool chainDiffered = chainDiffers(*node, to);
  CacheSwitcher switcher(*this, context.cancel);
  RHEA_CO_CHECK(checkWriteThroughAbove(*node, to.noFlush));
  RHEA_CO_CHECK(switcher.planChain(*node, to.direct, to.noFlush));
  RHEA_CO_CHECK(co_await switcher.run());
  change.to = to;
  change.took = Clock::now() - start;
  if (from != to || chainDiffered) tellChange(change, "", context.who, false);
  co_return change;
}

// Whether a node below has other switches than the top shows (it was changed by itself).
bool BlockGraph::chainDiffers(Node& top, CacheSwitches to) {
  for (const Node* node : nodesBelow(top)) {
    if (node->isDirect() != to.direct) return true;
  }
  return false;
}

Result<void> BlockGraph::checkWriteThroughAbove(const Node& node, bool noFlush) const {
  if (!noFlush) return success();
  for (const DiskPtr& disk : disksAbove(node)) {
    if (disk->hostWriteback()) continue;
    return Error(fmt::format("disk '{}' is write-through, which no-flush on node '{}' would make void", disk->name(),
                             node.name()))
        .hint("turn write-back on first");
  }
  return success();
}

void BlockGraph::tellChange(const CacheChange& change, const std::string& qomPath, const std::string& who,
                            bool forced) const {
  CacheChanged event;
  event.disk = change.disk;
  event.qomPath = qomPath;
  event.nodeName = change.nodeName;
  event.who = who;
  event.from = change.from;
  event.to = change.to;
  event.pendingGuest = change.pendingGuest;
  event.forced = forced;
  event.requestsInFlight = change.requestsInFlight;
  event.took = change.took;
  context_.observer.cacheChanged(event);
}

Task<Result<void>> BlockGraph::guestSetWriteback(DiskPtr disk, bool writeback) {
  return guestChange(std::move(disk), writeback, "guest");
}

Task<Result<void>> BlockGraph::guestReset(DiskPtr disk) {
  return guestChange(std::move(disk), true, std::string(kReset));
}

// New requests take the mode that the disk's switches ask for; `stronger`: those of the old one complete and are
// flushed.
Task<Result<void>> BlockGraph::turnGuestWriteback(DiskPtr disk, bool stronger, CacheChange& change) {
  RHEA_CO_CHECK(co_await disk->gate_.waitUntilLeft(disk->gate_.epoch() ^ 1U, CancelToken()));
  change.requestsInFlight = disk->gate_.inside();
  disk->applyWriteback(disk->gate_.epoch() ^ 1U);
  const unsigned old = disk->gate_.turn();
  if (!stronger) co_return success();
  RHEA_CO_CHECK(co_await disk->gate_.waitUntilLeft(old, CancelToken()));
  if (!disk->hasRoot() || disk->isReadOnly()) co_return success();
  co_return co_await disk->root().flush(FlushTo::kStable);
}

Task<Result<void>> BlockGraph::guestChange(DiskPtr disk, bool writeback, std::string who) {
  const Mutex::Lock mode = co_await disk->modeChanges_.lock();
  const bool before = disk->effectiveWriteback();
  const bool choiceBefore = disk->guestWriteback_;
  const bool pendingBefore = disk->pendingGuest_;
  const bool forcedBefore = disk->forced_;
  const TimePoint start = Clock::now();
  const bool listens = disk->guest_ == nullptr || disk->guest_->canFlush();
  disk->guestWriteback_ = writeback;
  // Without a driver nobody has read the new state: what waits for the guest waits for its next driver.
  if (writeback && listens) {
    disk->pendingGuest_ = false;
    disk->forced_ = false;
  }
  const bool after = disk->wantsWriteback();
  CacheChange change;
  if (before != after) {
    Result<void> turned = co_await turnGuestWriteback(disk, before, change);
    if (!turned.ok()) {
      disk->guestWriteback_ = choiceBefore;
      disk->pendingGuest_ = pendingBefore;
      disk->forced_ = forcedBefore;
      disk->applyWriteback(0);
      disk->applyWriteback(1);
      co_return turned;
    }
  }
  // While a driver is away the disk is write-through for safety alone; who comes back to the same mode changes nothing.
  const bool known = disk->announcedWriteback_;
  const bool isNews = known != after && (listens || who != kReset);
  if (!isNews) co_return success();
  disk->announcedWriteback_ = after;
  const CacheSwitches host = cacheOf(*disk);
  change.disk = disk->name();
  if (disk->hasRoot()) change.nodeName = disk->root().name();
  change.from = CacheSwitches(known, host.direct, host.noFlush);
  change.to = CacheSwitches(after, host.direct, host.noFlush);
  change.took = Clock::now() - start;
  tellChange(change, disk->qomPath(), who, false);
  co_return success();
}

}  // namespace rhea::block
