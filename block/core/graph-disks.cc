// Disks: attaching them to nodes, and taking them away; draining what is above a node.
#include <fmt/format.h>

#include <cerrno>

#include "block/core/graph-internal.h"
#include "emu/base/bug.h"
#include "emu/base/names.h"

namespace rhea::block {

// Not to be seen before list(): until then it has nothing to show.
Result<DiskPtr> BlockGraph::makeDisk(DiskOptions options) {
  if (closing_) return Error("the block layer is shutting down");
  if (!options.id.empty()) {
    RHEA_CHECK(checkId(options.id));
    if (const auto [at, fresh] = reserved_.emplace(options.id, "drive"); !fresh) {
      return Error(fmt::format("the name '{}' is taken: a {} is called so", options.id, at->second))
          .hint("drive ids and node names share one namespace; choose another name");
    }
  }
  const std::string id = options.id;
  auto disk = std::make_shared<Disk>(std::move(options), context_.observer, context_.runState);
  disk->statistics_.setAccounting(disk->options_.accountFailed, disk->options_.accountInvalid);
  if (Result<void> kept = disk->statistics_.setIntervals(disk->options_.statsIntervals); !kept.ok()) {
    if (!id.empty()) release(id);
    return kept.takeError();
  }
  hidden_.push_back(disk);
  return disk;
}

void BlockGraph::list(const DiskPtr& disk) {
  std::erase(hidden_, disk);
  disks_.push_back(disk);
}

void BlockGraph::forget(const Disk& disk) {
  if (!disk.id().empty()) release(disk.id());
  const auto same = [&disk](const DiskPtr& each) { return each.get() == &disk; };
  std::erase_if(disks_, same);
  std::erase_if(hidden_, same);
}

Task<Result<void>> BlockGraph::attachRoot(DiskPtr disk, NodePtr node, Permissions used, ChangeContext context) {
  GraphChange change;
  change.attach(disk->root_, *node, Rights(used, disk->options_.shared));
  RHEA_CO_CHECK(co_await change.prepare(context.cancel));
  RHEA_CO_CHECK(context.cancel.check());
  if (disk->root_.isAttached()) co_return Error(fmt::format("disk '{}' has a medium already", disk->name()));
  if (disk->removed_) co_return Error::fromErrno(ENODEV);
  change.commit();
  co_return success();
}

namespace {

Permissions usedBy(const DiskOptions& options) {
  if (options.readOnly) return Permissions::consistentRead();
  return Permissions::consistentRead() | Permissions::write();
}

}  // namespace

Task<Result<DiskPtr>> BlockGraph::addDisk(DiskOptions options, std::string nodeName, ChangeContext context) {
  RHEA_CO_TRY(NodePtr node, this->node(nodeName));
  CacheSwitches switches(options.writeback, node->isDirect(), node->isNoFlush());
  RHEA_CO_CHECK(checkHostChoice(switches));
  const Permissions used = usedBy(options);
  RHEA_CO_TRY(DiskPtr disk, makeDisk(std::move(options)));
  const CancelToken cancel = context.cancel;
  Result<void> attached = co_await abandonable(attachRoot(disk, std::move(node), used, std::move(context)), cancel);
  if (!attached.ok()) {
    disk->removed_ = true;
    forget(*disk);
    co_return attached.takeError();
  }
  list(disk);
  co_return disk;
}

Task<Result<DiskPtr>> BlockGraph::addDrive(DiskOptions options, NodeOptions root, ChangeContext context) {
  const CancelToken cancel = context.cancel;
  return abandonable(doAddDrive(std::move(options), std::move(root), std::move(context)), cancel);
}

Task<Result<DiskPtr>> BlockGraph::doAddDrive(DiskOptions options, NodeOptions root, ChangeContext context) {
  CacheSwitches switches(options.writeback, root.direct.value_or(false), root.noFlush.value_or(false));
  RHEA_CO_CHECK(checkHostChoice(switches));
  const Permissions used = usedBy(options);
  RHEA_CO_TRY(DiskPtr disk, makeDisk(std::move(options)));
  Task<Result<NodePtr>> open = openTree(std::move(root), {}, false, context);
  Result<NodePtr> node = co_await open;
  if (!node.ok()) {
    forget(*disk);
    co_return node.takeError();
  }
  Result<void> attached = co_await attachRoot(disk, *node, used, context);
  if (!attached.ok()) {
    std::vector<NodePtr> opened(1, *node);
    co_await closeUnused(std::move(opened));
    forget(*disk);
    co_return attached.takeError();
  }
  list(disk);
  co_return disk;
}

Result<DiskPtr> BlockGraph::addEmptyDisk(DiskOptions options) {
  RHEA_TRY(DiskPtr disk, makeDisk(std::move(options)));
  list(disk);
  return disk;
}

Task<Result<void>> BlockGraph::insertMedium(DiskPtr disk, std::string nodeName, ChangeContext context) {
  if (disk->removed_) co_return Error::fromErrno(ENODEV);
  if (disk->hasRoot()) {
    co_return Error(fmt::format("disk '{}' has a medium: node '{}'", disk->name(), disk->root().name()))
        .hint("take it out first");
  }
  RHEA_CO_TRY(NodePtr node, this->node(nodeName));
  const Permissions used = usedBy(disk->options_);
  const CancelToken cancel = context.cancel;
  co_return co_await abandonable(attachRoot(std::move(disk), std::move(node), used, std::move(context)), cancel);
}

Task<Result<void>> BlockGraph::removeMedium(DiskPtr disk, ChangeContext context) {
  if (!disk->hasRoot()) co_return success();
  const CancelToken cancel = context.cancel;
  co_return co_await abandonable(detachRoot(std::move(disk), false, std::move(context)), cancel);
}

Task<Result<void>> BlockGraph::removeDisk(DiskPtr disk, ChangeContext context) {
  if (disk->removed_) co_return Error(fmt::format("disk '{}' is removed already", disk->name()));
  const CancelToken cancel = context.cancel;
  co_return co_await abandonable(detachRoot(std::move(disk), true, std::move(context)), cancel);
}

Task<Result<void>> BlockGraph::detachRoot(DiskPtr disk, bool forGood, ChangeContext context) {
  std::vector<NodePtr> below;
  {
    RHEA_CO_TRY(const Mutex::Lock mode, co_await disk->modeChanges_.lock(context.cancel));
    if (disk->removed_) co_return Error(fmt::format("disk '{}' is removed already", disk->name()));
    const std::vector<DiskPtr> one(1, disk);
    Drained drained = shut(one);
    Result<void> empty = co_await disk->gate_.waitUntilEmpty(context.cancel);
    if (!empty.ok()) {
      open(drained);
      co_return std::move(empty).takeError().context(
          fmt::format("waiting for the requests of disk '{}'", disk->name()));
    }
    if (disk->root_.isAttached()) {
      below.push_back(pointerTo(disk->root_.node()));
      GraphChange change;
      change.detach(disk->root_);
      const Result<void> prepared = co_await change.prepare();
      if (!prepared.ok()) context_.observer.note(prepared.error().message());
      change.commit();
    }
    if (forGood) {
      disk->removed_ = true;
      disk->gate_.retire();
      disk->retryHeld();
    }
    disk->options_.temporary = false;  // that was the medium's
    open(drained);
  }
  if (forGood) forget(*disk);
  co_await closeUnused(std::move(below));
  co_return success();
}

Task<Result<DiskPtr>> BlockGraph::attachMonitor(std::string nodeName, Permissions used, ChangeContext context) {
  RHEA_CO_TRY(NodePtr node, this->node(nodeName));
  DiskOptions options;
  options.readOnly = (used & (Permissions::write() | Permissions::resize())).isNone();
  options.shared = Permissions::all();
  RHEA_CO_TRY(DiskPtr disk, makeDisk(std::move(options)));
  Result<void> attached = co_await attachRoot(disk, std::move(node), used, std::move(context));
  if (!attached.ok()) {
    forget(*disk);
    co_return attached.takeError();
  }
  co_return disk;
}

// Shuts the doors of some disks, and lets go what filters below hold back on purpose.
BlockGraph::Drained BlockGraph::shut(const std::vector<DiskPtr>& disks) {
  Drained drained;
  drained.disks = disks;
  for (const DiskPtr& disk : disks) {
    disk->drainBegin();
    if (!disk->hasRoot()) continue;
    for (Node* below : nodesBelow(disk->root())) {
      if (below->drainAware_ == nullptr) continue;
      below->drainAware_->drainBegin();
      drained.aware.push_back(pointerTo(*below));
    }
  }
  return drained;
}

void BlockGraph::open(const Drained& drained) {
  for (const NodePtr& node : drained.doors) node->door_.open();
  for (const NodePtr& below : drained.aware) below->drainAware_->drainEnd();
  for (const DiskPtr& disk : drained.disks) disk->drainEnd();
}

Task<Result<void>> BlockGraph::drain(NodePtr node, CancelToken cancel) {
  Drained drained = shut(disksAbove(*node));
  drained.node = node.get();
  drained.doors = withNodesAbove(*node);
  for (const NodePtr& above : drained.doors) above->door_.shut();
  Result<void> outcome = success();
  for (const DiskPtr& disk : drained.disks) {
    if (outcome.ok()) outcome = co_await disk->gate_.waitUntilEmpty(cancel);
  }
  for (const NodePtr& above : drained.doors) {
    if (outcome.ok()) outcome = co_await above->door_.waitUntilEmpty(cancel);
  }
  drained_.push_back(std::move(drained));
  if (outcome.ok()) co_return outcome;
  undrain(node);
  co_return std::move(outcome).takeError().context(fmt::format("draining node '{}'", node->name()));
}

void BlockGraph::undrain(const NodePtr& node) {
  const auto same = [&](const Drained& each) { return each.node == node.get(); };
  const auto found = std::find_if(drained_.begin(), drained_.end(), same);
  if (found == drained_.end()) bug("a node is undrained that is not drained");
  const Drained drained = std::move(*found);
  drained_.erase(found);
  open(drained);
}

}  // namespace rhea::block
