// Filters put into the chain of a disk that is used, and taken out.
#include <fmt/format.h>

#include "block/core/graph-internal.h"

namespace rhea::block {

namespace {

// The edge by which the disk's chain of files and filters leads to the node; null: it does not.
Child* edgeTo(Disk& disk, const Node& node) {
  Child* edge = &disk.rootEdge();
  while (edge != nullptr && edge->isAttached() && &edge->node() != &node) {
    Node& above = edge->node();
    edge = above.passThroughChild();
    if (edge == nullptr) edge = above.child("file");
  }
  return edge != nullptr && edge->isAttached() ? edge : nullptr;
}

}  // namespace

// Lets the edge that leads to `from` lead to `to`, with the rights that it has.
Task<Result<void>> BlockGraph::turnEdge(DiskPtr disk, NodePtr from, NodePtr to, CancelToken cancel) {
  RHEA_CO_TRY(const Mutex::Lock mode, co_await disk->modeChanges_.lock(cancel));
  Child* const edge = edgeTo(*disk, *from);
  if (edge == nullptr) {
    co_return Error(fmt::format("node '{}' is not in the chain of disk '{}'", from->name(), disk->name()));
  }
  GraphChange change;
  change.attach(*edge, *to, edge->rights());
  RHEA_CO_CHECK(co_await change.prepare(cancel));
  if (!edge->isAttached() || &edge->node() != from.get()) {
    co_return Error(fmt::format("the chain of disk '{}' has changed meanwhile", disk->name())).hint("try again");
  }
  RHEA_CO_CHECK(co_await drain(from, cancel));
  co_await settleAt(to, from->home());
  change.commit();
  undrain(from);
  co_return success();
}

Task<Result<NodePtr>> BlockGraph::insertFilter(DiskPtr disk, NodePtr below, NodeOptions filter, ChangeContext context) {
  const CancelToken cancel = context.cancel;
  return abandonable(doInsertFilter(std::move(disk), std::move(below), std::move(filter), std::move(context)), cancel);
}

Task<Result<NodePtr>> BlockGraph::doInsertFilter(DiskPtr disk, NodePtr below, NodeOptions filter,
                                                 ChangeContext context) {
  filter.readOnly = below->isReadOnly();
  filter.direct = below->isDirect();
  filter.noFlush = below->isNoFlush();
  filter.discard = DiscardPolicy::kUnmap;
  filter.children.push_back(ChildOptions::reference("file", below->name()));
  RHEA_CO_TRY(NodePtr node, co_await openTree(std::move(filter), OpenFlags(), false, context));
  Result<void> turned = co_await turnEdge(std::move(disk), std::move(below), node, context.cancel);
  if (!turned.ok()) {
    std::vector<NodePtr> opened(1, node);
    co_await closeUnused(std::move(opened));
    co_return turned.takeError();
  }
  co_return node;
}

Task<Result<void>> BlockGraph::removeFilter(DiskPtr disk, NodePtr filter, ChangeContext context) {
  const CancelToken cancel = context.cancel;
  return abandonable(doRemoveFilter(std::move(disk), std::move(filter), std::move(context)), cancel);
}

Task<Result<void>> BlockGraph::doRemoveFilter(DiskPtr disk, NodePtr filter, ChangeContext context) {
  Child* const passed = filter->passThroughChild();
  if (passed == nullptr || !passed->isAttached()) co_return Error("it is no filter any more");
  RHEA_CO_CHECK(co_await turnEdge(std::move(disk), filter, pointerTo(passed->node()), context.cancel));
  std::vector<NodePtr> left(1, std::move(filter));
  co_await closeUnused(std::move(left));
  co_return success();
}

}  // namespace rhea::block
