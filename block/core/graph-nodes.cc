// Opening, closing and removing nodes.
#include <fmt/format.h>

#include <filesystem>

#include "block/core/graph-internal.h"
#include "emu/base/bug.h"
#include "emu/base/names.h"

namespace rhea::block {

namespace {

OpenFlags flagsOf(const NodeOptions& options, OpenFlags inherited) {
  OpenFlags flags;
  flags.readOnly = options.readOnly.value_or(inherited.readOnly);
  flags.autoReadOnly = options.autoReadOnly.value_or(inherited.autoReadOnly);
  flags.direct = options.direct.value_or(inherited.direct);
  flags.noFlush = options.noFlush.value_or(inherited.noFlush);
  flags.forceShare = options.forceShare.value_or(inherited.forceShare);
  flags.discard = options.discard.value_or(inherited.discard);
  return flags;
}

// What an inline child takes where it says nothing itself.
OpenFlags inheritedBy(ChildRole role, OpenFlags parent) {
  OpenFlags flags = parent;
  // A format decides itself what it discards; the file below obeys.
  flags.discard = DiscardPolicy::kUnmap;
  if (role == ChildRole::kBacking) {
    flags.readOnly = true;
    flags.autoReadOnly = false;
    flags.noFlush = false;
    flags.discard = DiscardPolicy::kIgnore;
  }
  return flags;
}

const ChildOptions* find(const std::vector<ChildOptions>& children, std::string_view name) {
  for (const ChildOptions& child : children) {
    if (child.name == name) return &child;
  }
  return nullptr;
}

Result<void> checkChildNames(const DriverInfo& info, const std::vector<ChildOptions>& children) {
  std::vector<std::string_view> known;
  for (const ChildSpec& spec : info.children) known.push_back(spec.name);
  for (const ChildOptions& child : children) {
    if (std::find(known.begin(), known.end(), child.name) != known.end()) continue;
    return Error(fmt::format("driver '{}' has no child called '{}'", info.name, child.name))
        .candidates(nearestNames(child.name, known));
  }
  return success();
}

Children childrenOf(const Node& node) {
  Children children;
  for (const auto& child : node.children()) children.add(child->name(), child.get());
  return children;
}

}  // namespace

Task<Result<NodePtr>> BlockGraph::addNode(NodeOptions options, ChangeContext context) {
  const CancelToken cancel = context.cancel;
  return abandonable(doAddNode(std::move(options), std::move(context)), cancel);
}

Task<Result<NodePtr>> BlockGraph::doAddNode(NodeOptions options, ChangeContext context) {
  return openTree(std::move(options), {}, true, std::move(context));
}

Task<Result<NodePtr>> BlockGraph::openTree(NodeOptions options, OpenFlags inherited, bool monitorOwned,
                                           ChangeContext context) {
  const CancelToken cancel = context.cancel;
  RHEA_CO_TRY(NodePtr node, co_await openNode(std::move(options), inherited, std::move(context), nullptr));
  Result<void> outcome = co_await applyRights(*node);
  // The client went, or its deadline passed, while the host worked: nobody would know of the node.
  if (outcome.ok()) outcome = cancel.check();
  if (!outcome.ok()) {
    co_await closeNode(node);
    co_return outcome.takeError();
  }
  node->monitorOwned_ = monitorOwned;
  co_return node;
}

Task<Result<void>> BlockGraph::applyRights(Node& top) {
  GraphChange change;
  change.refresh(top);
  RHEA_CO_CHECK(co_await change.prepare());
  change.commit();
  co_return success();
}

// The images above one that is being opened, each in the frame of its opening: a chain that comes back to itself would
// never end.
struct BlockGraph::OpenPath {
  OpenPath(const OpenPath* from, std::string name)
      : above(from), file(std::move(name)), depth(from == nullptr ? 1 : from->depth + 1) {}
  const OpenPath* above;
  std::string file;
  std::size_t depth;

  static constexpr std::size_t kDeepest = 256;

  Result<void> check() const {
    if (depth > kDeepest) {
      return Error(fmt::format("the chain of images is longer than {}; '{}' is one too many", kDeepest, file))
          .hint("give backing=null to open the image without what is behind it");
    }
    std::vector<std::string_view> names = {file};
    for (const OpenPath* each = above; each != nullptr; each = each->above) {
      names.push_back(each->file);
      if (each->file != file) continue;
      std::reverse(names.begin(), names.end());
      return Error(fmt::format("the chain of images comes back to itself: '{}'", fmt::join(names, "' -> '")))
          .hint("one of these images names the wrong backing file; backing=null opens it without");
    }
    return success();
  }
};

OpenContext BlockGraph::openContextOf(const Node& node, OpenFlags flags, CancelToken cancel) {
  OpenContext open(node.home(), context_.services, throttleGroups_);
  open.nodeName = node.name();
  open.flags = flags;
  open.observer = &context_.observer;
  open.drivers = &context_.drivers;
  open.cancel = std::move(cancel);
  return open;
}

Task<Result<NodePtr>> BlockGraph::openNode(NodeOptions options, OpenFlags inherited, ChangeContext context,
                                           const OpenPath* above) {
  if (closing_) co_return Error("the block layer is shutting down");
  RHEA_CO_TRY(const DriverInfo* info, context_.drivers.find(options.driver));
  RHEA_CO_CHECK(checkChildNames(*info, options.children));
  const OpenFlags flags = flagsOf(options, inherited);
  RHEA_CO_TRY(std::string name, reserve(options.nodeName));
  options.nodeName = name;
  const NodePtr node = std::make_shared<Node>(name, *info, std::move(options), flags, context_.loop, context_.observer);
  opening_.push_back(node);

  Result<void> outcome = co_await openChildren(*node, flags, context, above);
  if (outcome.ok()) {
    const Operation operation(*this, "open", name);
    Result<std::unique_ptr<Driver>> driver =
        co_await info->open(openContextOf(*node, flags, context.cancel), node->options_.specific, childrenOf(*node));
    if (driver.ok()) {
      node->setDriver(*std::move(driver));
    } else {
      outcome = driver.takeError();
    }
  }
  if (!outcome.ok()) {
    co_await closeNode(node);
    co_return outcome.takeError();
  }
  std::erase(opening_, node);
  nodes_.push_back(node);
  byName_.emplace(name, node.get());
  co_return node;
}

Task<Result<void>> BlockGraph::openChildren(Node& node, OpenFlags flags, ChangeContext context, const OpenPath* above) {
  for (const ChildSpec& spec : node.info_.children) {
    const ChildOptions* const asked = find(node.options_.children, spec.name);
    const bool none = asked == nullptr || (asked->referenced.empty() && asked->inlined == nullptr);
    if (none && spec.required) {
      co_return Error(fmt::format("driver '{}' needs '{}': the node that it works on", node.info_.name, spec.name))
          .where(std::string(spec.name))
          .expected("a node's name, or the options of a node to open");
    }
    if (none) {
      addEdge(node, spec);  // without a node; a reopen may give it one
      continue;
    }
    NodePtr below;
    if (asked->inlined != nullptr) {
      Task<Result<NodePtr>> open = openNode(*asked->inlined, inheritedBy(spec.role, flags), context, above);
      RHEA_CO_TRY(below, co_await open);
    } else {
      RHEA_CO_TRY(below, this->node(asked->referenced));
      if (below->closing_) co_return Error(fmt::format("node '{}' is being closed", asked->referenced));
    }
    Result<void> attached = co_await attachChild(addEdge(node, spec), below);
    if (!attached.ok()) {
      if (asked->inlined != nullptr) co_await closeNode(below);
      co_return attached;
    }
  }
  if (node.info_.impliedChildren == nullptr) co_return success();
  co_return co_await openImplied(node, flags, std::move(context), above);
}

Task<Result<void>> BlockGraph::openImplied(Node& node, OpenFlags flags, ChangeContext context, const OpenPath* above) {
  std::string file = "[" + node.name_ + "]";
  for (const auto& child : node.children_) {
    if (!child->isAttached() || child->role() != ChildRole::kData) continue;
    file = std::filesystem::path(child->node().fileName()).lexically_normal();
    break;
  }
  const OpenPath path(above, std::move(file));
  RHEA_CO_CHECK(path.check());
  RHEA_CO_TRY(const std::vector<ChildOptions> implied,
              co_await node.info_.impliedChildren(openContextOf(node, flags, context.cancel), node.options_.specific,
                                                  childrenOf(node)));
  for (const ChildOptions& child : implied) {
    if (find(node.options_.children, child.name) != nullptr) continue;
    Child& edge = *node.child(child.name);
    Task<Result<NodePtr>> open = openNode(*child.inlined, inheritedBy(edge.role(), flags), context, &path);
    Result<NodePtr> below = co_await open;
    if (!below.ok()) co_return below.takeError().context(fmt::format("{} of '{}'", child.name, path.file));
    Result<void> attached = co_await attachChild(edge, *below);
    if (!attached.ok()) {
      co_await closeNode(*below);
      co_return attached;
    }
  }
  co_return success();
}

// While the parent opens, it only reads, and minds nobody.
Task<Result<void>> BlockGraph::attachChild(Child& edge, NodePtr child) {
  GraphChange change;
  change.attach(edge, *child, Rights(Permissions::consistentRead(), Permissions::all()));
  RHEA_CO_CHECK(co_await change.prepare());
  change.commit();
  co_return success();
}

Child& BlockGraph::addEdge(Node& parent, const ChildSpec& spec) {
  Child& edge = *parent.children_.emplace_back(std::make_unique<Child>(std::string(spec.name), spec.role));
  edge.parent_ = &parent;
  return edge;
}

// Of a node without users: flushes, closes, and then closes the children that it alone kept.
Task<void> BlockGraph::closeNode(NodePtr node) {
  if (!node->parents_.empty()) bug("a node is closed that is still used");
  node->closing_ = true;
  // Gone for everybody at once; the name stays taken until the files are closed.
  byName_.erase(node->name());
  std::erase(nodes_, node);
  std::erase(opening_, node);
  const Operation operation(*this, "close", node->name(), node->driver_ ? node->fileName() : "");
  co_await GraphChange::waitUntilFree(node);
  co_await node->asks_.join();
  if (node->driver_ != nullptr) {
    // A file to which nothing was ever done needs no flush of ours; what formats keep back, only they know.
    const bool untouched = node->children_.empty() && !node->ledger().everChanged();
    if (!node->isReadOnly() && node->accounts() && !untouched) {
      const Result<void> flushed = co_await node->flush(FlushTo::kStable);
      if (!flushed.ok()) {
        context_.observer.note(fmt::format("node '{}' was closed although its last flush failed: {}", node->name(),
                                           flushed.error().message()));
      }
    }
    co_await settleAt(node, loop());
    co_await node->driver_->close();
  }
  std::vector<NodePtr> below;
  {
    GraphChange change;
    for (const auto& child : node->children_) {
      if (!child->isAttached()) continue;
      below.push_back(pointerTo(child->node()));
      change.detach(*child);
    }
    // Giving rights back takes none that others hold; where the host fails it, the rest must go on.
    const Result<void> prepared = co_await change.prepare();
    if (!prepared.ok()) {
      context_.observer.note(fmt::format("closing node '{}': {}", node->name(), prepared.error().message()));
    }
    change.commit();
  }
  release(node->name());
  co_await closeUnused(std::move(below));
}

Task<void> BlockGraph::closeUnused(std::vector<NodePtr> nodes) {
  for (const NodePtr& node : nodes) {
    if (!node->monitorOwned_ && !node->closing_ && node->parents_.empty()) co_await closeNode(node);
  }
}

Task<Result<void>> BlockGraph::removeNode(std::string name, ChangeContext context) {
  const CancelToken cancel = context.cancel;
  return abandonable(doRemoveNode(std::move(name)), cancel);
}

Task<Result<void>> BlockGraph::doRemoveNode(std::string name) {
  RHEA_CO_TRY(NodePtr node, this->node(name));
  std::vector<std::string> users;
  for (const Child* user : node->parents_) users.push_back(describeUser(*user));
  if (!users.empty()) {
    co_return Error(fmt::format("node '{}' is in use by {}", name, fmt::join(users, ", ")))
        .hint("remove its users first");
  }
  if (!node->monitorOwned_) co_return Error(fmt::format("node '{}' is being opened or closed", name));
  node->monitorOwned_ = false;
  co_await closeNode(std::move(node));
  co_return success();
}

void BlockGraph::leaveToUsers(const NodePtr& node) {
  if (node->parents_.empty()) bug("a node is left to users that it has not got");
  node->monitorOwned_ = false;
}

Task<Result<ImageInfo>> BlockGraph::imageInfo(NodePtr node, CancelToken cancel) {
  if (node->closing_ || node->informer_ == nullptr) {
    ImageInfo info;
    info.virtualSize = node->closing_ ? 0 : node->length();
    co_return info;
  }
  const auto outcome = std::make_shared<detail::Abandoned<ImageInfo>>();
  node->asks_.spawn(detail::runAbandoned<ImageInfo>(node->informer_->imageInfo(), outcome));
  Result<void> waited = co_await outcome->done.wait(std::move(cancel));
  if (outcome->result) co_return std::move(*outcome->result);
  co_return waited.takeError();
}

Task<Result<void>> BlockGraph::resizeNode(std::string name, std::uint64_t length, ChangeContext context) {
  NodePtr node = findNode(name);
  if (node == nullptr) {
    if (const DiskPtr disk = findDisk(name); disk != nullptr && disk->hasRoot()) node = findNode(disk->root().name());
  }
  if (node == nullptr) {
    Result<NodePtr> missing = this->node(name);
    co_return missing.takeError();
  }
  const CancelToken cancel = context.cancel;
  co_return co_await abandonable(doResize(std::move(node), length, std::move(context)), cancel);
}

Task<Result<void>> BlockGraph::doResize(NodePtr node, std::uint64_t length, ChangeContext context) {
  constexpr std::uint64_t kSector = 512;
  if (length % kSector != 0 || length > Extent::kMost) {
    co_return Error(fmt::format("a length of {} bytes is not possible", length)).expected("a multiple of 512 bytes");
  }
  if (node->parents_.size() > 1) {
    std::vector<std::string> users;
    for (const Child* user : node->parents_) users.push_back(describeUser(*user));
    co_return Error(fmt::format("node '{}' is shared by {}; a resize would change all of them", node->name(),
                                fmt::join(users, ", ")));
  }
  if (node->isReadOnly()) co_return Error(fmt::format("node '{}' is read-only", node->name()));
  RHEA_CO_TRY(DiskPtr user, co_await attachMonitor(node->name(), Permissions::resize(), context));
  Result<void> outcome = co_await user->root_.resize(length, Preallocation::kOff);
  Result<void> detached = co_await detachRoot(user, true, ChangeContext());
  if (!outcome.ok()) co_return outcome;
  for (const DiskPtr& disk : disksAbove(*node)) {
    if (disk->guest_ != nullptr) disk->guest_->resized();
  }
  co_return detached;
}

}  // namespace rhea::block
