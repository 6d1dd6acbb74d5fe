// Bodies: making, removing and changing nodes.
#include "block/command/support.h"
#include "block/options/node-options-of.h"
#include "qapi/commands-block-core.h"

namespace rhea {

using block::BlockGraph;
using block::changeContext;
using block::lastingContext;

Task<Result<void>> Command<qapi::BlockdevAdd>::run(CommandContext context, qapi::BlockdevAdd arguments) {
  context.setWaitingFor(fmt::format("opening of node '{}'", arguments.nodeName.value_or("(unnamed)")));
  const Result<block::NodePtr> added =
      co_await context.get<BlockGraph>().addNode(block::nodeOptionsOf(arguments), changeContext(context));
  if (!added) co_return added.error();
  co_return success();
}

Task<Result<void>> Command<qapi::BlockdevDel>::run(CommandContext context, qapi::BlockdevDel arguments) {
  context.setWaitingFor(fmt::format("closing of node '{}'", arguments.nodeName));
  co_return co_await context.get<BlockGraph>().removeNode(arguments.nodeName, lastingContext(context));
}

Task<Result<void>> Command<qapi::BlockdevReopen>::run(CommandContext context, qapi::BlockdevReopen arguments) {
  std::vector<block::NodeOptions> nodes;
  for (const qapi::BlockdevOptions& options : arguments.options) {
    if (!options.nodeName) {
      co_return Error("an entry does not say which node it is about")
          .where(fmt::format("arguments.options[{}]", nodes.size()))
          .expected("node-name");
    }
    nodes.push_back(block::nodeOptionsOf(options));
  }
  context.setWaitingFor("reopening of nodes");
  co_return co_await context.get<BlockGraph>().reopen(std::move(nodes), changeContext(context));
}

Task<Result<void>> Command<qapi::BlockResize>::run(CommandContext context, qapi::BlockResize arguments) {
  RHEA_CO_TRY(const std::string target, block::oneTarget(arguments.device, arguments.nodeName));
  if (arguments.size % 512 != 0) {
    co_return Error(fmt::format("{} bytes are no size of a disk", arguments.size)).expected("a multiple of 512");
  }
  BlockGraph& graph = context.get<BlockGraph>();
  std::string nodeName = target;
  if (arguments.device) {
    RHEA_CO_TRY(const block::DiskPtr disk, graph.disk(target));
    if (!disk->hasRoot()) co_return Error(fmt::format("drive '{}' has no medium", target));
    nodeName = disk->root().name();
  }
  context.setWaitingFor(fmt::format("resizing of node '{}'", nodeName));
  co_return co_await graph.resizeNode(nodeName, arguments.size, lastingContext(context));
}

Task<Result<void>> Command<qapi::BlockSetWriteThreshold>::run(CommandContext context,
                                                              qapi::BlockSetWriteThreshold arguments) {
  RHEA_CO_TRY(const block::NodePtr node, context.get<BlockGraph>().node(arguments.nodeName));
  node->setWriteThreshold(arguments.writeThreshold);
  co_return success();
}

namespace {

std::vector<qapi::BlockPermission> permissionsOf(block::Permissions permissions) {
  using Wire = qapi::BlockPermission;
  std::vector<Wire> names;
  const auto add = [&](block::Permissions one, Wire name) {
    if (permissions.has(one)) names.push_back(name);
  };
  add(block::Permissions::consistentRead(), Wire::consistentRead);
  add(block::Permissions::write(), Wire::write);
  add(block::Permissions::writeUnchanged(), Wire::writeUnchanged);
  add(block::Permissions::resize(), Wire::resize);
  return names;
}

}  // namespace

Task<Result<qapi::XDbgBlockGraph>> Command<qapi::XDebugQueryBlockGraph>::run(CommandContext context,
                                                                             qapi::XDebugQueryBlockGraph) {
  qapi::XDbgBlockGraph graph;
  const block::GraphData data = context.get<BlockGraph>().data();
  for (const block::GraphData::Vertex& vertex : data.vertices) {
    qapi::XDbgBlockGraphNode node;
    node.id = vertex.id;
    node.type = vertex.isNode ? qapi::XDbgBlockGraphNodeType::blockDriver : qapi::XDbgBlockGraphNodeType::blockBackend;
    node.name = vertex.name;
    graph.nodes.push_back(std::move(node));
  }
  for (const block::GraphData::Edge& edge : data.edges) {
    qapi::XDbgBlockGraphEdge made;
    made.parent = edge.parent;
    made.child = edge.child;
    made.name = edge.name;
    made.perm = permissionsOf(edge.rights.used);
    made.sharedPerm = permissionsOf(edge.rights.shared);
    graph.edges.push_back(std::move(made));
  }
  co_return graph;
}

}  // namespace rhea
