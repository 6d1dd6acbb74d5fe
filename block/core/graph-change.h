// GraphChange: one change of edges and their rights: planned without side effects, checked, then committed or aborted.
//
// The graph's loop only; the caller has drained what changes under running requests.
// One writer at a time per subtree: what a change touches is reserved for it, all at once, until it ends. So two
// changes never wait for each other, and one that waits for the host (an image lock on a file server that hangs) stops
// nobody but those who want the same nodes. See docs/design/block-graph.md.
#pragma once

#include "block/core/graph.h"

namespace rhea::block {

// Who uses a node by this edge, for messages: "disk 'd0'", "node 'x' as its backing".
std::string describeUser(const Child& edge);

class GraphChange {
 public:
  GraphChange() = default;
  ~GraphChange();  // aborts what was prepared and not committed, and ends the reservation
  GraphChange(const GraphChange&) = delete;
  GraphChange& operator=(const GraphChange&) = delete;

  // Points `edge` to `node` (from wherever it points now), or nowhere.
  void attach(Child& edge, Node& node, Rights rights);
  void detach(Child& edge);
  // The rights of what is below this node are computed anew (it was opened, or its options changed).
  void refresh(Node& node) { refreshed_.push_back(&node); }
  // What the node's read-only switch will be.
  void setReadOnly(Node& node, bool readOnly);

  // The caller changes descriptors or switches below as well (a reopen): nobody else may until this ends.
  void keepReopens() { keepsReopens_ = true; }

  // Waits until no other change has reserved what this one touches; checks cycles, conflicts and read-only nodes; then
  // asks the drivers' RightsKeepers. Error: names the other user; the token's reason. The nodes stay reserved.
  Task<Result<void>> prepare(CancelToken cancel = {});
  // Also after a failed prepare() of a change that only takes users away: what was asked is done as far as it is known.
  void commit();

  // Until no change has reserved this node.
  static Task<void> waitUntilFree(std::shared_ptr<Node> node);

 private:
  struct Planned {
    Node* node = nullptr;
    Rights rights;
  };
  Node* targetOf(const Child& edge) const;
  Rights rightsOf(const Child& edge) const;
  std::vector<const Child*> parentsOf(const Node& node) const;
  bool isReadOnly(const Node& node) const;
  Result<void> order(Node& node, std::vector<Node*>& sorted, std::map<const Node*, int>& marks) const;
  Result<void> check(const Node& node, const std::vector<const Child*>& parents) const;
  void planChildren(Node& node, Rights inSum);
  Result<void> sortTouched();
  std::shared_ptr<Event> otherReservation() const;
  void reserve();
  void unreserve();
  Result<void> planRights();
  Result<void> checkTargets() const;
  Task<Result<void>> lockReopens(CancelToken cancel);

  std::map<Child*, Planned> asked_;    // by the caller
  std::map<Child*, Planned> planned_;  // that, and what follows for the edges below
  std::map<const Node*, bool> readOnly_;
  std::vector<Node*> refreshed_;
  std::vector<Node*> sorted_;     // what is touched, parents first
  std::map<Node*, Rights> sums_;  // what the nodes will hold
  std::vector<RightsKeeper*> prepared_;
  bool keepsReopens_ = false;
  std::vector<Mutex::Lock> reopens_;
  std::shared_ptr<Event> ended_;  // of this change, once it has reserved
  std::vector<std::shared_ptr<Node>> reservedNodes_;
};

}  // namespace rhea::block
