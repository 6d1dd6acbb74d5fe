#include "block/core/cache-switcher.h"

#include <fmt/format.h>

#include "block/core/graph-change.h"

namespace rhea::block {

namespace {

// The edges down which a mode goes: those that hold the disk's content or metadata; backing files take direct alone.
bool carriesNoFlush(ChildRole role) { return role != ChildRole::kBacking; }

}  // namespace

NodeSwitch& CacheSwitcher::planFor(Node& node) {
  for (NodeSwitch& planned : nodes_) {
    if (planned.node.get() == &node) return planned;
  }
  NodeSwitch& planned = nodes_.emplace_back();
  planned.node = node.shared_from_this();
  planned.from = node.flags();
  planned.to = planned.from;
  return planned;
}

void CacheSwitcher::planNode(NodePtr node, OpenFlags to, std::optional<DriverOptions> options, NewChildren children) {
  NodeSwitch& planned = planFor(*node);
  planned.to = to;
  planned.options = std::move(options);
  planned.children = std::move(children);
  planned.fresh = node->ledger().isLatched();
}

const NodeSwitch* CacheSwitcher::planOf(const Node& node) const {
  for (const NodeSwitch& planned : nodes_) {
    if (planned.node.get() == &node) return &planned;
  }
  return nullptr;
}

// A weaker mode must not be laid on somebody who did not ask for it.
Result<void> CacheSwitcher::checkUsers(const Node& node, bool isTop, std::string_view weakened) const {
  for (const Child* user : node.parents()) {
    if (user->holder() != nullptr && planOf(*user->holder()) != nullptr) continue;
    if (isTop && node.parents().size() == 1) continue;
    const auto same = [user](const DiskPtr& disk) { return disk.get() == user->disk(); };
    if (std::any_of(disks_.begin(), disks_.end(), same)) continue;
    return Error(fmt::format("node '{}' is used by {} too, which relies on {}", node.name(), describeUser(*user),
                             weakened))
        .hint("change it there first, or give each a node of its own");
  }
  return success();
}

Result<void> CacheSwitcher::planChain(Node& top, bool direct, bool noFlush) {
  const auto visit = [&](auto& self, Node& node, bool withNoFlush) -> Result<void> {
    const OpenFlags now = node.flags();
    NodeSwitch& planned = planFor(node);
    planned.to.direct = direct;
    if (withNoFlush) planned.to.noFlush = noFlush;
    const OpenFlags to = planned.to;
    if (now.direct && !to.direct) RHEA_CHECK(checkUsers(node, &node == &top, "direct=on"));
    if (!now.noFlush && to.noFlush) RHEA_CHECK(checkUsers(node, &node == &top, "no-flush=off"));
    for (const auto& child : node.children()) {
      if (child->isAttached()) RHEA_CHECK(self(self, child->node(), withNoFlush && carriesNoFlush(child->role())));
    }
    return success();
  };
  return visit(visit, top, true);
}

void CacheSwitcher::planDisk(Disk& disk, bool hostWriteback, bool pendingGuest, bool forced) {
  disk_ = DiskSwitch{&disk, hostWriteback, pendingGuest, forced};
}

bool CacheSwitcher::turnsDirectOn() const {
  return std::any_of(nodes_.begin(), nodes_.end(),
                     [](const NodeSwitch& each) { return !each.from.direct && each.to.direct; });
}

bool CacheSwitcher::strengthens() const {
  if (disk_ && disk_->disk->effectiveWriteback() && !(disk_->hostWriteback && !disk_->pendingGuest)) return true;
  return std::any_of(nodes_.begin(), nodes_.end(), [](const NodeSwitch& each) {
    return (!each.from.direct && each.to.direct) || (each.from.noFlush && !each.to.noFlush);
  });
}

// Two disks may share a node. Always in the same order, so that two changes never wait for each other.
Task<Result<void>> CacheSwitcher::lockNodes() {
  std::vector<Node*> sorted;
  for (const NodeSwitch& each : nodes_) {
    if (!nodesKept_) sorted.push_back(each.node.get());
  }
  std::sort(sorted.begin(), sorted.end(), std::less<>());
  for (Node* node : sorted) {
    RHEA_CO_TRY(Mutex::Lock lock, co_await node->reopens_.lock(cancel_));
    nodeLocks_.push_back(std::move(lock));
  }
  for (NodeSwitch& each : nodes_) each.from = each.node->flags();
  co_return success();
}

Task<Result<void>> CacheSwitcher::prepare() {
  for (NodeSwitch& each : nodes_) {
    Node& node = *each.node;
    Reopener* const reopener = node.reopener();
    const bool needed = each.fresh || each.options || !each.children.empty() || each.from.direct != each.to.direct ||
                        each.from.readOnly != each.to.readOnly || each.from.autoReadOnly != each.to.autoReadOnly;
    if (!needed) continue;
    if (reopener == nullptr) {
      // A node above others keeps nothing of the switches; one with storage of its own would have to.
      if (node.info().kind != DriverKind::kProtocol) continue;
      if (each.from.direct == each.to.direct && each.from.readOnly == each.to.readOnly) continue;
      co_return Error(fmt::format("node '{}' cannot change {} while it is open: driver '{}' cannot reopen", node.name(),
                                  each.from.direct != each.to.direct ? "direct" : "read-only", node.info().name));
    }
    ReopenRequest request(each.to, each.options);
    request.fresh = each.fresh;
    request.children = each.children;
    request.cancel = cancel_;
    Result<std::unique_ptr<PreparedReopen>> prepared = co_await reopener->prepareReopen(std::move(request));
    if (!prepared.ok()) co_return prepared.takeError();
    each.prepared = *std::move(prepared);
  }
  co_return success();
}

Task<Result<void>> CacheSwitcher::flushAll() {
  // From the top, so that formats write their metadata first; a node that was flushed on the way costs nothing again.
  for (const NodeSwitch& each : nodes_) {
    if (each.node->isReadOnly()) continue;
    RHEA_CO_CHECK(co_await each.node->flush(FlushTo::kStable));
  }
  if (disk_ && disk_->disk->hasRoot() && !disk_->disk->root().isReadOnly()) {
    RHEA_CO_CHECK(co_await disk_->disk->root().flush(FlushTo::kStable));
  }
  co_return success();
}

void CacheSwitcher::commit() {
  for (NodeSwitch& each : nodes_) {
    if (each.prepared) each.prepared->commit();
    // A flush of the old mode may still be on its way down: no node stops flushing before the last of them is through.
    OpenFlags now = each.to;
    now.noFlush = each.to.noFlush && each.from.noFlush;
    each.node->setFlags(now);
    if (each.fresh) each.node->reopened();
  }
  if (disk_) {
    Disk& disk = *disk_->disk;
    diskBefore_ = {&disk, disk.hostWriteback_, disk.pendingGuest_, disk.forced_};
    disk.hostWriteback_ = disk_->hostWriteback;
    disk.pendingGuest_ = disk_->pendingGuest;
    disk.forced_ = disk_->forced;
  }
  for (const DiskPtr& disk : disks_) {
    inFlight_ += disk->gate_.inside();
    disk->applyWriteback(disk->gate_.epoch() ^ 1U);
    oldEpochs_.push_back(disk->gate_.turn());
  }
}

void CacheSwitcher::revert() {
  for (NodeSwitch& each : nodes_) {
    if (each.prepared) each.prepared->revert();
    each.node->setFlags(each.from);
  }
  if (!disk_) return;
  Disk& disk = *disk_->disk;
  disk.hostWriteback_ = diskBefore_.hostWriteback;
  disk.pendingGuest_ = diskBefore_.pendingGuest;
  disk.forced_ = diskBefore_.forced;
  // Both epochs may have requests inside; those that run under the stronger mode already keep it.
  disk.applyWriteback(0);
  disk.applyWriteback(1);
}

Task<void> CacheSwitcher::settle() {
  for (NodeSwitch& each : nodes_) {
    if (each.prepared) co_await each.prepared->settle();
    each.prepared.reset();
  }
}

Task<Result<void>> CacheSwitcher::run() {
  Result<void> outcome = co_await lockNodes();
  if (outcome.ok()) outcome = co_await prepare();
  // The other epoch may still hold requests of the change before this one.
  for (const DiskPtr& disk : disks_) {
    if (outcome.ok()) outcome = co_await disk->gate_.waitUntilLeft(disk->gate_.epoch() ^ 1U, cancel_);
  }
  // What lies in the page cache goes out before requests pass it by.
  if (outcome.ok() && turnsDirectOn()) outcome = co_await flushAll();
  if (!outcome.ok()) {
    co_await settle();
    co_return outcome;
  }
  const bool strengthened = strengthens();
  const bool reopened =
      std::any_of(nodes_.begin(), nodes_.end(), [](const NodeSwitch& each) { return each.prepared != nullptr; });
  const bool stopsFlushing = std::any_of(nodes_.begin(), nodes_.end(),
                                         [](const NodeSwitch& each) { return each.to.noFlush && !each.from.noFlush; });
  commit();
  if (strengthened || reopened || stopsFlushing) {
    for (std::size_t i = 0; i < disks_.size() && outcome.ok(); ++i) {
      outcome = co_await disks_[i]->gate_.waitUntilLeft(oldEpochs_[i], cancel_);
    }
  }
  if (strengthened && outcome.ok()) outcome = co_await flushAll();
  if (outcome.ok()) {
    for (NodeSwitch& each : nodes_) each.node->setFlags(each.to);
  } else {
    revert();
  }
  co_await settle();
  co_return outcome;
}

}  // namespace rhea::block
