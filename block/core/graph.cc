#include "block/core/graph.h"

#include <fmt/format.h>

#include <set>

#include "block/core/graph-internal.h"
#include "emu/base/bug.h"
#include "emu/base/names.h"

namespace rhea::block {

std::string describeUser(const Child& edge) {
  if (edge.holder() != nullptr) return fmt::format("node '{}' as its {}", edge.holder()->name(), edge.name());
  if (edge.disk() != nullptr) return fmt::format("disk '{}'", edge.disk()->name());
  return "an operation of the monitor";
}

BlockGraph::BlockGraph(GraphContext context) : context_(context), throttleGroups_(context.loop) {}

BlockGraph::~BlockGraph() {
  if (!nodes_.empty() || !disks_.empty() || !hidden_.empty()) bug("a block graph ends before its shutdown");
}

NodePtr BlockGraph::findNode(std::string_view name) const {
  const auto found = byName_.find(name);
  return found == byName_.end() ? nullptr : pointerTo(*found->second);
}

NodePtr BlockGraph::pointerTo(const Node& node) const { return const_cast<Node&>(node).shared_from_this(); }

DiskPtr BlockGraph::findDisk(std::string_view name) const {
  if (name.empty()) return nullptr;
  for (const DiskPtr& disk : disks_) {
    if (disk->id() == name || disk->deviceId() == name || disk->qomPath() == name) return disk;
  }
  return nullptr;
}

namespace {

Error notFound(std::string_view kind, std::string_view name, const std::vector<std::string>& known) {
  Error error(ErrorClass::kGeneric, fmt::format("there is no {} '{}'", kind, name));
  if (known.empty()) return std::move(error).hint(fmt::format("there is no {} at all yet", kind));
  std::vector<std::string> near = nearestNames(name, std::span<const std::string>(known));
  if (near.empty())
    near.assign(known.begin(), known.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(known.size(), 8)));
  return std::move(error).candidates(std::move(near));
}

}  // namespace

Result<NodePtr> BlockGraph::node(std::string_view name) const {
  if (NodePtr node = findNode(name)) return node;
  if (const DiskPtr disk = findDisk(name); disk != nullptr && disk->hasRoot()) {
    return Error(fmt::format("there is no node '{}': it is a drive, whose node is '{}'", name, disk->root().name()))
        .candidates({disk->root().name()});
  }
  std::vector<std::string> known;
  for (const NodePtr& node : nodes_) known.push_back(node->name());
  return notFound("node", name, known);
}

Result<DiskPtr> BlockGraph::disk(std::string_view name) const {
  if (DiskPtr disk = findDisk(name)) return disk;
  std::vector<std::string> known;
  for (const DiskPtr& disk : disks_) {
    for (const std::string& each : {disk->id(), disk->deviceId(), disk->qomPath()}) {
      if (!each.empty()) known.push_back(each);
    }
  }
  return notFound("disk", name, known).withClass(ErrorClass::kDeviceNotFound);
}

std::vector<Node*> BlockGraph::nodesBelow(Node& top) {
  std::vector<Node*> found;
  const auto visit = [&found](auto& self, Node& node) -> void {
    if (std::find(found.begin(), found.end(), &node) != found.end()) return;
    found.push_back(&node);
    for (const auto& child : node.children()) {
      if (child->isAttached()) self(self, child->node());
    }
  };
  visit(visit, top);
  return found;
}

namespace {

void collectDisks(const Node& node, std::set<const Node*>& seen, std::vector<const Disk*>& found) {
  if (!seen.insert(&node).second) return;
  for (const Child* user : node.parents()) {
    if (user->disk() != nullptr && std::find(found.begin(), found.end(), user->disk()) == found.end()) {
      found.push_back(user->disk());
    }
    if (user->holder() != nullptr) collectDisks(*user->holder(), seen, found);
  }
}

}  // namespace

std::vector<DiskPtr> BlockGraph::disksAbove(const Node& node) const {
  std::set<const Node*> seen;
  std::vector<const Disk*> found;
  collectDisks(node, seen, found);
  std::vector<DiskPtr> disks;
  for (const auto* list : {&disks_, &hidden_}) {
    for (const DiskPtr& disk : *list) {
      if (std::find(found.begin(), found.end(), disk.get()) != found.end()) disks.push_back(disk);
    }
  }
  return disks;
}

std::vector<NodePtr> BlockGraph::withNodesAbove(const Node& node) const {
  std::vector<NodePtr> found;
  const auto visit = [&](auto& self, const Node& at) -> void {
    const NodePtr pointer = pointerTo(at);
    if (std::ranges::find(found, pointer) != found.end()) return;
    found.push_back(pointer);
    for (const Child* user : at.parents()) {
      if (user->holder() != nullptr) self(self, *user->holder());
    }
  };
  visit(visit, node);
  return found;
}

Result<std::string> BlockGraph::reserve(const std::string& name) {
  constexpr std::size_t kLongest = 31;
  if (name.empty()) {
    std::string made;
    do made = fmt::format("#block{:03}", generated_++);
    while (reserved_.contains(made));
    reserved_.emplace(made, "node");
    return made;
  }
  RHEA_CHECK(checkId(name));
  if (name.size() > kLongest) {
    return Error(fmt::format("node name '{}' has {} bytes", name, name.size())).expected("at most 31 bytes");
  }
  if (const auto [at, fresh] = reserved_.emplace(name, "node"); !fresh) {
    return Error(fmt::format("the name '{}' is taken: a {} is called so", name, at->second))
        .hint("node names and drive ids share one namespace; choose another name");
  }
  return name;
}

void BlockGraph::release(const std::string& name) { reserved_.erase(name); }

GraphData BlockGraph::data() const {
  GraphData data;
  std::map<const void*, std::uint64_t> ids;
  const auto vertex = [&](const void* what, bool isNode, std::string name) {
    const std::uint64_t id = data.vertices.size() + 1;
    ids[what] = id;
    data.vertices.push_back({id, isNode, std::move(name)});
  };
  for (const auto* list : {&disks_, &hidden_}) {
    for (const DiskPtr& disk : *list) vertex(disk.get(), false, disk->name());
  }
  for (const NodePtr& node : nodes_) vertex(node.get(), true, node->name());
  const auto edge = [&](const void* parent, const Child& child) {
    if (child.isAttached()) data.edges.push_back({ids[parent], ids[&child.node()], child.name(), child.rights()});
  };
  for (const auto* list : {&disks_, &hidden_}) {
    for (const DiskPtr& disk : *list) edge(disk.get(), disk->rootEdge());
  }
  for (const NodePtr& node : nodes_) {
    for (const auto& child : node->children()) edge(node.get(), *child);
  }
  return data;
}

std::vector<StuckRequest> BlockGraph::stuck(Duration longerThan) const {
  constexpr std::size_t kMost = 64;  // of one node
  std::vector<StuckRequest> found;
  const TimePoint now = Clock::now();
  for (const NodePtr& node : nodes_) {
    const std::vector<InFlight> old = node->tracker().olderThan(now - longerThan, kMost);
    if (old.empty()) continue;
    const std::vector<DiskPtr> above = disksAbove(*node);
    for (const InFlight& request : old) {
      StuckRequest entry;
      if (!above.empty()) entry.disk = above.front()->name();
      entry.nodeName = node->name();
      entry.what = toString(request.kind);
      entry.fileName = node->fileName();
      if (node->informer() != nullptr) entry.descriptor = node->informer()->descriptor();
      if (request.kind != IoKind::kFlush) entry.at = request.at;
      entry.age = now - request.since;
      found.push_back(std::move(entry));
    }
  }
  for (const Operation* operation : operations_) {
    if (now - operation->since < longerThan) continue;
    StuckRequest entry;
    entry.nodeName = operation->node;
    entry.what = operation->what;
    entry.fileName = operation->file;
    entry.age = now - operation->since;
    found.push_back(std::move(entry));
  }
  for (const DiskPtr& disk : disks_) {
    if (disk->held() == 0) continue;
    StuckRequest entry;
    entry.disk = disk->name();
    entry.what = fmt::format("{} held by its error policy until cont", disk->held());
    found.push_back(std::move(entry));
  }
  return found;
}

}  // namespace rhea::block
