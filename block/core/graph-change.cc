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
  unreserve();
}

void GraphChange::attach(Child& edge, Node& node, Rights rights) { asked_[&edge] = {&node, rights}; }

void GraphChange::detach(Child& edge) { asked_[&edge] = {}; }

void GraphChange::setReadOnly(Node& node, bool readOnly) {
  readOnly_[&node] = readOnly;
  refreshed_.push_back(&node);
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

// Looks at the graph as it is now: it may have changed while this waited.
Result<void> GraphChange::sortTouched() {
  planned_ = asked_;
  sorted_.clear();
  std::map<const Node*, int> marks;
  const auto touch = [&](Node* node) { return node == nullptr ? success() : order(*node, sorted_, marks); };
  for (Node* node : refreshed_) RHEA_CHECK(touch(node));
  for (const auto& [edge, asked] : asked_) {
    RHEA_CHECK(touch(edge->node_));
    RHEA_CHECK(touch(asked.node));
  }
  std::reverse(sorted_.begin(), sorted_.end());
  return success();
}

std::shared_ptr<Event> GraphChange::otherReservation() const {
  for (const Node* node : sorted_) {
    if (node->reserved_ != nullptr) return node->reserved_;
  }
  for (const auto& [edge, asked] : asked_) {
    if (edge->reserved_ != nullptr) return edge->reserved_;
    // The parent as well: two changes that hang each other's subtrees below one another must not miss the cycle.
    if (edge->parent_ != nullptr && edge->parent_->reserved_ != nullptr) return edge->parent_->reserved_;
  }
  return nullptr;
}

void GraphChange::reserve() {
  ended_ = std::make_shared<Event>();
  const auto take = [this](Node& node) {
    if (node.reserved_ == ended_) return;
    node.reserved_ = ended_;
    reservedNodes_.push_back(node.shared_from_this());
  };
  for (Node* node : sorted_) take(*node);
  for (const auto& [edge, asked] : asked_) {
    edge->reserved_ = ended_;
    if (edge->parent_ != nullptr) take(*edge->parent_);
  }
}

void GraphChange::unreserve() {
  reopens_.clear();
  if (ended_ == nullptr) return;
  for (const auto& node : reservedNodes_) node->reserved_ = nullptr;
  for (const auto& [edge, asked] : asked_) edge->reserved_ = nullptr;
  reservedNodes_.clear();
  std::exchange(ended_, nullptr)->set();
}

Task<void> GraphChange::waitUntilFree(std::shared_ptr<Node> node) {
  while (const std::shared_ptr<Event> other = node->reserved_) static_cast<void>(co_await other->wait());
}

Result<void> GraphChange::checkTargets() const {
  for (const auto& [edge, asked] : asked_) {
    if (asked.node != nullptr && asked.node->isClosing()) {
      return Error(fmt::format("node '{}' is being closed", asked.node->name()));
    }
  }
  return success();
}

Result<void> GraphChange::planRights() {
  for (Node* node : sorted_) {
    const std::vector<const Child*> parents = parentsOf(*node);
    RHEA_CHECK(check(*node, parents));
    Rights sum;
    for (const Child* user : parents) {
      const Rights rights = rightsOf(*user);
      sum.used = sum.used | rights.used;
      sum.shared = sum.shared & rights.shared;
    }
    sums_[node] = sum;
    planChildren(*node, sum);
  }
  return success();
}

// A driver may change its descriptors to follow the rights. In the order of all who take several of these locks.
Task<Result<void>> GraphChange::lockReopens(CancelToken cancel) {
  std::vector<Node*> nodes;
  for (Node* node : sorted_) {
    const auto sum = sums_.find(node);
    const bool asks = node->rightsKeeper_ != nullptr && sum != sums_.end() && sum->second != node->held_;
    if (keepsReopens_ || asks) nodes.push_back(node);
  }
  std::sort(nodes.begin(), nodes.end(), std::less<>());
  for (Node* node : nodes) {
    RHEA_CO_TRY(Mutex::Lock lock, co_await node->reopens_.lock(cancel));
    reopens_.push_back(std::move(lock));
  }
  co_return success();
}

Task<Result<void>> GraphChange::prepare(CancelToken cancel) {
  while (true) {
    RHEA_CO_CHECK(sortTouched());
    const std::shared_ptr<Event> other = otherReservation();
    if (other == nullptr) break;
    RHEA_CO_CHECK(co_await other->wait(cancel));
  }
  reserve();
  RHEA_CO_CHECK(checkTargets());
  RHEA_CO_CHECK(planRights());
  RHEA_CO_CHECK(co_await lockReopens(cancel));
  for (const auto& [node, sum] : sums_) {
    RightsKeeper* const keeper = node->rightsKeeper_;
    if (keeper == nullptr || sum == node->held_) continue;
    Result<void> asked = co_await keeper->prepareRights(sum);
    if (!asked.ok()) co_return std::move(asked).takeError().context(fmt::format("node '{}'", node->name()));
    prepared_.push_back(keeper);
  }
  co_return checkTargets();
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
  unreserve();
}

}  // namespace rhea::block
