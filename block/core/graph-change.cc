#include "block/core/graph-change.h"

#include <fmt/format.h>

namespace rhea::block {

namespace {

// The usual rights of a parent's edge to its child.
Rights usualRights(ChildRole role, Rights parent, bool readOnly) {
  using P = Permissions;
  switch (role) {
    case ChildRole::kFiltered:
      return parent;
    case ChildRole::kData:
      // A format touches its metadata even when nobody writes through it, and cannot have others write below it.
      if (readOnly) return {P::consistentRead(), P::consistentRead() | P::writeUnchanged()};
      return {P::consistentRead() | P::write() | P::resize(), P::consistentRead() | P::writeUnchanged()};
    case ChildRole::kBacking:
      return {parent.used & P::consistentRead(), P::consistentRead() | P::writeUnchanged()};
    case ChildRole::kAuxiliary:
      return {P::consistentRead() | P::write() | P::resize(), P::writeUnchanged()};
  }
  return {};
}

std::string namesOf(Permissions permissions) { return fmt::format("{}", fmt::join(permissions.names(), ", ")); }

}  // namespace

GraphChange::~GraphChange() {
  for (RightsKeeper* keeper : prepared_) keeper->abortRights();
}

void GraphChange::attach(Child& edge, Node& node, Rights rights) {
  planned_[&edge] = {&node, rights};
  if (edge.node_ != nullptr && edge.node_ != &node) touched_.push_back(edge.node_);
  touched_.push_back(&node);
}

void GraphChange::detach(Child& edge) {
  if (edge.node_ != nullptr) touched_.push_back(edge.node_);
  planned_[&edge] = {};
}

void GraphChange::setReadOnly(Node& node, bool readOnly) {
  readOnly_[&node] = readOnly;
  touched_.push_back(&node);
}

Node* GraphChange::targetOf(const Child& edge) const {
  const auto planned = planned_.find(const_cast<Child*>(&edge));
  return planned == planned_.end() ? edge.node_ : planned->second.node;
}

Rights GraphChange::rightsOf(const Child& edge) const {
  const auto planned = planned_.find(const_cast<Child*>(&edge));
  return planned == planned_.end() ? edge.rights() : planned->second.rights;
}

bool GraphChange::isReadOnly(const Node& node) const {
  const auto planned = readOnly_.find(&node);
  return planned == readOnly_.end() ? node.isReadOnly() : planned->second;
}

std::vector<const Child*> GraphChange::parentsOf(const Node& node) const {
  std::vector<const Child*> parents;
  for (const Child* edge : node.parents_) {
    if (targetOf(*edge) == &node) parents.push_back(edge);
  }
  for (const auto& [edge, planned] : planned_) {
    if (planned.node == &node && edge->node_ != &node) parents.push_back(edge);
  }
  return parents;
}

// Depth first, children before parents; the caller turns it round.
Result<void> GraphChange::order(Node& node, std::vector<Node*>& sorted, std::map<const Node*, int>& marks) const {
  int& mark = marks[&node];
  if (mark == 2) return success();
  if (mark == 1) return Error(fmt::format("node '{}' would become its own child", node.name()));
  mark = 1;
  for (const auto& child : node.children_) {
    if (Node* below = targetOf(*child)) RHEA_CHECK(order(*below, sorted, marks));
  }
  marks[&node] = 2;
  sorted.push_back(&node);
  return success();
}

Result<void> GraphChange::check(const Node& node, const std::vector<const Child*>& parents) const {
  for (const Child* user : parents) {
    const Rights rights = rightsOf(*user);
    const bool changes = !(rights.used & (Permissions::write() | Permissions::resize())).isNone();
    if (changes && isReadOnly(node)) {
      return Error(fmt::format("node '{}' is read-only, and {} needs to write to it", node.name(), describeUser(*user)))
          .hint("open the node with read-only=off, or its user with read-only=on");
    }
    for (const Child* other : parents) {
      const Permissions missing = rights.used.without(rightsOf(*other).shared);
      if (user == other || missing.isNone()) continue;
      return Error(fmt::format("node '{}' is used by {}, which does not let {} have: {}", node.name(),
                               describeUser(*other), describeUser(*user), namesOf(missing)));
    }
  }
  return success();
}

void GraphChange::planChildren(Node& node, Rights inSum) {
  for (const auto& child : node.children_) {
    Node* const below = targetOf(*child);
    if (below == nullptr) continue;
    Rights rights;
    if (node.info_.childRights != nullptr) {
      const ChildSpec spec{child->name(), child->role(), true};
      rights = node.info_.childRights(spec, inSum, node.options_.specific);
    } else {
      rights = usualRights(child->role(), inSum, isReadOnly(node));
    }
    if (isReadOnly(*below) && isReadOnly(node)) {
      rights.used = rights.used.without(Permissions::write() | Permissions::resize());
    }
    if (node.forceShare_) rights.shared = Permissions::all();
    planned_[child.get()] = {below, rights};
  }
}

Task<Result<void>> GraphChange::prepare() {
  std::vector<Node*> sorted;
  std::map<const Node*, int> marks;
  for (Node* node : touched_) RHEA_CO_CHECK(order(*node, sorted, marks));
  std::reverse(sorted.begin(), sorted.end());
  for (Node* node : sorted) {
    const std::vector<const Child*> parents = parentsOf(*node);
    RHEA_CO_CHECK(check(*node, parents));
    Rights sum;
    for (const Child* user : parents) {
      const Rights rights = rightsOf(*user);
      sum.used = sum.used | rights.used;
      sum.shared = sum.shared & rights.shared;
    }
    sums_[node] = sum;
    planChildren(*node, sum);
  }
  for (const auto& [node, sum] : sums_) {
    RightsKeeper* const keeper = node->rightsKeeper_;
    if (keeper == nullptr || sum == node->held_) continue;
    RHEA_CO_CHECK(co_await keeper->prepareRights(sum));
    prepared_.push_back(keeper);
  }
  co_return success();
}

void GraphChange::commit() {
  for (const auto& [edge, planned] : planned_) {
    if (edge->node_ != planned.node) {
      if (edge->node_ != nullptr) std::erase(edge->node_->parents_, edge);
      if (planned.node != nullptr) planned.node->parents_.push_back(edge);
      edge->node_ = planned.node;
    }
    edge->rights_.store(planned.rights, std::memory_order_relaxed);
  }
  for (const auto& [node, sum] : sums_) node->held_ = sum;
  for (const auto& [node, readOnly] : readOnly_) {
    const_cast<Node*>(node)->readOnly_.store(readOnly, std::memory_order_relaxed);
  }
  for (RightsKeeper* keeper : prepared_) keeper->commitRights();
  prepared_.clear();
}

}  // namespace rhea::block
