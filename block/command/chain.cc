#include "block/command/chain.h"

namespace rhea::block {

namespace {

void collect(const BlockGraph& graph, const Node& node, std::vector<NodePtr>& nodes) {
  const bool known = std::any_of(nodes.begin(), nodes.end(), [&](const NodePtr& one) { return one.get() == &node; });
  if (known) return;
  if (!node.info().passThrough) {
    if (NodePtr counted = graph.findNode(node.name())) nodes.push_back(std::move(counted));
  }
  for (const std::unique_ptr<Child>& child : node.children()) {
    if (child->isAttached()) collect(graph, child->node(), nodes);
  }
}

}  // namespace

std::vector<NodePtr> storingNodes(const BlockGraph& graph, const Node& top) {
  std::vector<NodePtr> nodes;
  collect(graph, top, nodes);
  return nodes;
}

}  // namespace rhea::block
