// blockdev-reopen: switches, driver options and children of nodes that are in use, all or nothing.
#include <fmt/format.h>

#include "block/core/cache-switcher.h"
#include "block/core/graph-change.h"
#include "block/core/graph-internal.h"

namespace rhea::block {

namespace {

// Reopen takes what is not said as off, as blockdev-reopen does: the options describe the whole node.
OpenFlags flagsAsked(const NodeOptions& options) {
  OpenFlags flags;
  flags.readOnly = options.readOnly.value_or(false);
  flags.autoReadOnly = options.autoReadOnly.value_or(false);
  flags.direct = options.direct.value_or(false);
  flags.noFlush = options.noFlush.value_or(false);
  flags.forceShare = options.forceShare.value_or(false);
  flags.discard = options.discard.value_or(DiscardPolicy::kIgnore);
  return flags;
}

Result<void> checkOptions(const Node& node, const NodeOptions& asked) {
  if (asked.driver != node.info().name) {
    return Error(fmt::format("node '{}' has driver '{}'; a reopen cannot make it '{}'", node.name(), node.info().name,
                             asked.driver))
        .where("driver");
  }
  if (node.reopener() != nullptr || asked.specific.empty()) return success();
  const auto same = node.info().sameOptions;
  if (same != nullptr && same(node.options().specific, asked.specific)) return success();
  return Error(fmt::format("driver '{}' cannot change its own options while node '{}' is open", asked.driver,
                           node.name()))
      .hint("give the options that the node has, or make a new node");
}

}  // namespace

// One node of a reopen, resolved.
struct BlockGraph::Reopening {
  NodePtr node;
  NodeOptions options;
  std::vector<std::pair<Child*, NodePtr>> replaced;
};

Result<void> BlockGraph::resolveReopen(NodeOptions options, std::vector<Reopening>& all) {
  RHEA_TRY(NodePtr node, this->node(options.nodeName));
  RHEA_CHECK(checkOptions(*node, options));
  Reopening reopening;
  reopening.node = node;
  std::vector<NodeOptions> inlined;
  for (const ChildOptions& asked : options.children) {
    Child* const edge = node->child(asked.name);
    const std::string now = edge != nullptr && edge->isAttached() ? edge->node().name() : "";
    if (asked.inlined != nullptr) {
      NodeOptions below = *asked.inlined;
      if (below.nodeName.empty()) below.nodeName = now;
      if (now.empty() || below.nodeName != now) {
        return Error(fmt::format("child '{}' of node '{}' is '{}'; a reopen cannot open another one", asked.name,
                                 node->name(), now))
            .hint("add the new node first, and name it here");
      }
      inlined.push_back(std::move(below));
    } else if (asked.referenced != now) {
      if (edge == nullptr || asked.referenced.empty()) {
        return Error(fmt::format("child '{}' of node '{}' cannot be {} by a reopen", asked.name, node->name(),
                                 asked.referenced.empty() ? "taken away" : "added"));
      }
      RHEA_TRY(NodePtr other, this->node(asked.referenced));
      reopening.replaced.emplace_back(edge, std::move(other));
    }
  }
  reopening.options = std::move(options);
  all.push_back(std::move(reopening));
  for (NodeOptions& below : inlined) RHEA_CHECK(resolveReopen(std::move(below), all));
  return success();
}

Task<Result<void>> BlockGraph::reopen(std::vector<NodeOptions> nodes, ChangeContext context) {
  const CancelToken cancel = context.cancel;
  return abandonable(doReopen(std::move(nodes), std::move(context)), cancel);
}

Task<Result<void>> BlockGraph::doReopen(std::vector<NodeOptions> nodes, ChangeContext context) {
  std::vector<Reopening> all;
  for (NodeOptions& options : nodes) RHEA_CO_CHECK(resolveReopen(std::move(options), all));

  // The disks above, in the graph's order, so that two reopens never wait for each other's.
  std::vector<DiskPtr> disks;
  for (const DiskPtr& disk : disks_) {
    for (const Reopening& each : all) {
      const std::vector<DiskPtr> above = disksAbove(*each.node);
      const bool touched = std::find(above.begin(), above.end(), disk) != above.end();
      if (touched && std::find(disks.begin(), disks.end(), disk) == disks.end()) disks.push_back(disk);
    }
  }
  std::vector<Mutex::Lock> modes;
  for (const DiskPtr& disk : disks) {
    RHEA_CO_TRY(Mutex::Lock mode, co_await disk->modeChanges_.lock(context.cancel));
    modes.push_back(std::move(mode));
  }
  // Only a change of edges or rights takes the writer's turn: a mode change on hung storage must not keep it.
  const bool changesRights = std::any_of(all.begin(), all.end(), [](const Reopening& each) {
    return !each.replaced.empty() || flagsAsked(each.options).readOnly != each.node->isReadOnly();
  });
  Mutex::Lock turn;
  if (changesRights) {
    RHEA_CO_TRY(turn, co_await writer_.lock(context.cancel));
  }

  const TimePoint start = Clock::now();
  std::vector<CacheSwitches> before;
  for (const DiskPtr& disk : disks) before.push_back(cacheOf(*disk));
  CacheSwitcher switcher(*this, context.cancel);
  for (const DiskPtr& disk : disks) switcher.addDisk(disk);
  GraphChange change;
  for (Reopening& each : all) {
    if (each.node->closing_) co_return Error(fmt::format("node '{}' is being closed", each.node->name()));
    const OpenFlags to = flagsAsked(each.options);
    const OpenFlags from = each.node->flags();
    RHEA_CO_CHECK(checkWriteThroughAbove(*each.node, to.noFlush));
    std::optional<DriverOptions> own;
    if (!each.options.specific.empty() && each.node->reopener() != nullptr) own = each.options.specific;
    switcher.planNode(each.node, to, std::move(own), each.node->ledger().isLatched());
    if (to.direct != from.direct || to.noFlush != from.noFlush) {
      RHEA_CO_CHECK(switcher.planChain(*each.node, to.direct, to.noFlush));
    }
    if (to.readOnly != from.readOnly) change.setReadOnly(*each.node, to.readOnly);
    for (const auto& [edge, other] : each.replaced) change.attach(*edge, *other, edge->rights());
  }
  std::vector<NodePtr> drained;
  std::vector<NodePtr> left;
  Result<void> outcome = success();
  if (changesRights) outcome = co_await change.prepare();
  for (const Reopening& each : all) {
    if (each.replaced.empty() || !outcome.ok()) continue;
    outcome = co_await drain(each.node, context.cancel);
    if (outcome.ok()) drained.push_back(each.node);
  }
  if (outcome.ok()) outcome = co_await switcher.run();
  if (outcome.ok()) {
    for (Reopening& each : all) {
      for (const auto& [edge, other] : each.replaced) left.push_back(pointerTo(edge->node()));
    }
    if (changesRights) change.commit();
    for (Reopening& each : all) {
      each.node->options_ = std::move(each.options);
      each.node->setFlags(flagsAsked(each.node->options_));
    }
  }
  for (const NodePtr& node : drained) undrain(node);
  RHEA_CO_CHECK(outcome);
  for (std::size_t i = 0; i < disks.size(); ++i) {
    const CacheSwitches after = cacheOf(*disks[i]);
    if (after == before[i]) continue;
    CacheChange told;
    told.disk = disks[i]->name();
    told.nodeName = disks[i]->root().name();
    told.from = before[i];
    told.to = after;
    told.requestsInFlight = switcher.requestsInFlight();
    told.took = Clock::now() - start;
    tellChange(told, disks[i]->qomPath(), context.who, false);
  }
  if (!left.empty()) background_.spawn(closeUnused(std::move(left)));
  co_return success();
}

}  // namespace rhea::block
