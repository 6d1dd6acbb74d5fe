// Moving nodes from one loop to another.
#include <fmt/format.h>

#include "block/core/graph-change.h"
#include "block/core/graph-internal.h"

namespace rhea::block {

Task<Result<void>> BlockGraph::moveHome(NodePtr node, Loop& home, ChangeContext context) {
  const CancelToken cancel = context.cancel;
  return abandonable(doMoveHome(std::move(node), home, std::move(context)), cancel);
}

Task<Result<void>> BlockGraph::doMoveHome(NodePtr node, Loop& home, ChangeContext context) {
  const Operation operation(*this, "move to another loop", node->name());
  // Reserved: nobody moves an edge, a descriptor or a home of them meanwhile.
  GraphChange change;
  change.refresh(*node);
  change.keepReopens();
  RHEA_CO_CHECK(co_await change.prepare(context.cancel));
  if (node->closing_) co_return Error(fmt::format("node '{}' is being closed", node->name()));
  std::vector<NodePtr> below;
  for (const Node* each : nodesBelow(*node)) below.push_back(pointerTo(*each));
  // Each by itself: what is below may have users that are not above this one.
  std::vector<NodePtr> drained;
  Result<void> outcome = success();
  for (const NodePtr& each : below) {
    if (outcome.ok()) outcome = co_await drain(each, context.cancel);
    if (outcome.ok()) drained.push_back(each);
  }
  if (outcome.ok()) {
    for (const NodePtr& each : below) co_await settleAt(each, home);
    change.commit();
  }
  for (const NodePtr& each : drained) undrain(each);
  co_return outcome;
}

// Nothing runs on the node.
Task<void> BlockGraph::settleAt(NodePtr node, Loop& home) {
  Loop& from = node->home();
  if (&from == &home) co_return;
  if (node->homeAware_ != nullptr) {
    co_await from.enter();
    co_await node->homeAware_->leaveHome();
    co_await home.enter();
    co_await node->homeAware_->enterHome(home);
    co_await loop().enter();
  }
  node->home_.store(&home, std::memory_order_relaxed);
}

}  // namespace rhea::block
