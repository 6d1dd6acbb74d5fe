// The nodes of a chain that store something: those whose flushes and unflushed changes are worth telling.
#pragma once

#include "block/core/graph.h"

namespace rhea::block {

// From the top; a node that several parents share stands once.
std::vector<NodePtr> storingNodes(const BlockGraph& graph, const Node& top);

}  // namespace rhea::block
