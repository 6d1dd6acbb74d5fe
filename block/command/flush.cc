// Body: blockdev-flush.
#include "block/command/chain.h"
#include "block/command/support.h"
#include "qapi/commands-block-cache.h"

namespace rhea {

namespace block {

namespace {

// What a chain has not flushed, all its nodes together.
Unflushed unflushedBelow(const BlockGraph& graph, const Node& top) {
  Unflushed sum;
  for (const NodePtr& node : storingNodes(graph, top)) sum.add(node->ledger().unflushed());
  return sum;
}

// Whether a flush of the chain reaches stable storage on every node.
bool reachesStorage(const BlockGraph& graph, const Node& top) {
  const std::vector<NodePtr> nodes = storingNodes(graph, top);
  return std::none_of(nodes.begin(), nodes.end(), [](const NodePtr& node) { return node->isNoFlush(); });
}

// Every root that a flush of `target`, or of everything, goes down from.
std::vector<const Node*> rootsOf(const BlockGraph& graph, const std::optional<std::string>& target) {
  std::vector<const Node*> roots;
  if (!target) {
    for (const DiskPtr& disk : graph.disks()) {
      if (disk->hasRoot()) roots.push_back(&disk->root());
    }
    for (const NodePtr& node : graph.nodes()) roots.push_back(node.get());
    return roots;
  }
  const DiskPtr disk = graph.findDisk(*target);
  if (disk && disk->hasRoot()) roots.push_back(&disk->root());
  if (const NodePtr node = disk ? nullptr : graph.findNode(*target)) roots.push_back(node.get());
  return roots;
}

}  // namespace

}  // namespace block

using block::BlockGraph;

Task<Result<std::vector<qapi::BlockFlushInfo>>> Command<qapi::BlockdevFlush>::run(CommandContext context,
                                                                                  qapi::BlockdevFlush arguments) {
  if (arguments.device && arguments.nodeName)
    co_return Error("device and node-name are both given").expected("one of them");
  BlockGraph& graph = context.get<BlockGraph>();
  std::optional<std::string> target = arguments.device ? arguments.device : arguments.nodeName;
  const bool everything = arguments.device == "all" && !graph.findDisk("all") && !graph.findNode("all");
  if (everything) target.reset();

  std::map<std::string, block::Unflushed> before;
  for (const block::Node* root : block::rootsOf(graph, target)) {
    before[root->name()] = block::unflushedBelow(graph, *root);
  }
  context.setWaitingFor(target ? fmt::format("flush of '{}'", *target) : std::string("flushes of all disks"));
  RHEA_CO_TRY(const std::vector<block::FlushOutcome> outcomes,
              co_await graph.flush(target, block::lastingContext(context)));

  std::vector<qapi::BlockFlushInfo> list;
  std::optional<Error> failure;
  for (const block::FlushOutcome& outcome : outcomes) {
    if (!outcome.result) {
      if (!failure) failure = outcome.result.error();
      continue;
    }
    qapi::BlockFlushInfo info;
    if (!outcome.disk.empty()) info.device = outcome.disk;
    info.nodeName = outcome.nodeName;
    info.writes = before[outcome.nodeName].changes;
    info.bytes = before[outcome.nodeName].bytes;
    const block::NodePtr root = graph.findNode(outcome.nodeName);
    info.stable = root && block::reachesStorage(graph, *root);
    info.durationUs = block::microseconds(outcome.took);
    list.push_back(std::move(info));
  }
  if (failure) co_return *failure;
  co_return list;
}

}  // namespace rhea
