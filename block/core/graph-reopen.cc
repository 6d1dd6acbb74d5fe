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

Error unchangeable(const Node& node, std::string_view key, std::string_view why) {
  return Error(fmt::format("'{}' of node '{}' cannot change while it is open: {}", key, node.name(), why))
      .where(fmt::format("{} (node '{}')", key, node.name()));
}

Result<void> checkOptions(const Node& node, const NodeOptions& asked) {
  const std::string_view driver = node.info().name;
  if (asked.driver != driver) {
    return unchangeable(node, "driver", fmt::format("it is '{}', and what is open stays what it is", driver))
        .hint(fmt::format("give driver={}, or make a new node", driver));
  }
  if (asked.forceShare.value_or(false) != node.flags().forceShare) {
    return unchangeable(node, "force-share", "the image's locks were taken by it")
        .hint(fmt::format("give force-share={}", node.flags().forceShare ? "on" : "off"));
  }
  if (node.reopener() != nullptr || asked.specific.empty() || node.info().changedOption == nullptr) return success();
  const std::string_view changed = node.info().changedOption(node.options().specific, asked.specific);
  if (changed.empty()) return success();
  return unchangeable(node, changed, fmt::format("driver '{}' reads it when it opens", driver))
      .hint("give what the node has, or make a new node");
}

const ChildSpec* specOf(const Node& node, std::string_view child) {
  const auto& specs = node.info().children;
  const auto found = std::ranges::find_if(specs, [child](const ChildSpec& spec) { return spec.name == child; });
  return found == specs.end() ? nullptr : &*found;
}

// Whether the driver lets the child lead elsewhere.
Result<void> checkReplaceable(const Node& node, const ChildOptions& asked) {
  const ChildSpec* const spec = specOf(node, asked.name);
  if (spec == nullptr)
    return unchangeable(node, asked.name, fmt::format("driver '{}' has no such child", node.info().name));
  if (!spec->replaceable) {
    return unchangeable(node, asked.name, fmt::format("driver '{}' keeps to the one that it opened", node.info().name));
  }
  if (asked.referenced.empty() && spec->required) {
    return unchangeable(node, asked.name, fmt::format("driver '{}' cannot be without it", node.info().name))
        .expected("the name of a node");
  }
  return success();
}

}  // namespace

// One node of a reopen, resolved.
struct BlockGraph::Reopening {
  NodePtr node;
  NodeOptions options;
  NewChildren children;  // that change
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
        return unchangeable(*node, asked.name,
                            now.empty() ? std::string("a reopen opens no new nodes")
                                        : fmt::format("it is '{}', and a reopen opens no new nodes", now))
            .hint("add the new node first, and name it here");
      }
      inlined.push_back(std::move(below));
    } else if (asked.referenced != now) {
      RHEA_CHECK(checkReplaceable(*node, asked));
      NodePtr other;
      if (!asked.referenced.empty()) {
        RHEA_TRY(other, this->node(asked.referenced));
      }
      reopening.children.emplace_back(asked.name, std::move(other));
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
  // Only a change of edges or rights reserves its nodes; a change of mode alone holds the mode locks.
  const bool changesRights = std::any_of(all.begin(), all.end(), [](const Reopening& each) {
    return !each.children.empty() || flagsAsked(each.options).readOnly != each.node->isReadOnly();
  });
  GraphChange change;
  std::vector<NodePtr> left;
  if (changesRights) {
    for (const Reopening& each : all) {
      const bool readOnly = flagsAsked(each.options).readOnly;
      change.refresh(*each.node);
      if (readOnly != each.node->isReadOnly()) change.setReadOnly(*each.node, readOnly);
      for (const auto& [name, other] : each.children) {
        Child& edge = *each.node->child(name);
        if (edge.isAttached()) left.push_back(pointerTo(edge.node()));
        if (other == nullptr) {
          change.detach(edge);
        } else {
          change.attach(edge, *other, edge.rights());
        }
      }
    }
    change.keepReopens();
    RHEA_CO_CHECK(co_await change.prepare(context.cancel));
  }

  const TimePoint start = Clock::now();
  std::vector<CacheSwitches> before;
  for (const DiskPtr& disk : disks) before.push_back(cacheOf(*disk));
  CacheSwitcher switcher(*this, context.cancel);
  if (changesRights) switcher.nodesAreKept();
  for (const DiskPtr& disk : disks) switcher.addDisk(disk);
  for (const Reopening& each : all) {
    if (each.node->closing_) co_return Error(fmt::format("node '{}' is being closed", each.node->name()));
    const OpenFlags to = flagsAsked(each.options);
    const OpenFlags from = each.node->flags();
    RHEA_CO_CHECK(checkWriteThroughAbove(*each.node, to.noFlush));
    std::optional<DriverOptions> own;
    if (!each.options.specific.empty() && each.node->reopener() != nullptr) own = each.options.specific;
    switcher.planNode(each.node, to, std::move(own), each.children);
    if (to.direct != from.direct || to.noFlush != from.noFlush) {
      RHEA_CO_CHECK(switcher.planChain(*each.node, to.direct, to.noFlush));
    }
  }
  std::vector<NodePtr> drained;
  Result<void> outcome = success();
  for (const Reopening& each : all) {
    if (each.children.empty() || !outcome.ok()) continue;
    outcome = co_await drain(each.node, context.cancel);
    if (outcome.ok()) drained.push_back(each.node);
  }
  if (outcome.ok()) outcome = co_await switcher.run();
  if (outcome.ok()) {
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
