// GraphChange: one change of edges and their rights: planned without side effects, checked, then committed or aborted.
//
// The graph's loop only; the caller has the writer's turn, and has drained what changes under running requests.
#pragma once

#include "block/core/graph.h"

namespace rhea::block {

// Who uses a node by this edge, for messages: "disk 'd0'", "node 'x' as its backing".
std::string describeUser(const Child& edge);

class GraphChange {
 public:
  GraphChange() = default;
  ~GraphChange();  // aborts what was prepared and not committed
  GraphChange(const GraphChange&) = delete;
  GraphChange& operator=(const GraphChange&) = delete;

  // Points `edge` to `node` (from wherever it points now), or nowhere.
  void attach(Child& edge, Node& node, Rights rights);
  void detach(Child& edge);
  // The rights of what is below this node are computed anew (it was opened, or its options changed).
  void refresh(Node& node) { touched_.push_back(&node); }
  // What the node's read-only switch will be.
  void setReadOnly(Node& node, bool readOnly);

  // Checks cycles, conflicts and read-only nodes, then asks the drivers' RightsKeepers. Error: names the other user.
  Task<Result<void>> prepare();
  void commit();

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

  std::map<Child*, Planned> planned_;
  std::map<const Node*, bool> readOnly_;
  std::vector<Node*> touched_;
  std::map<Node*, Rights> sums_;  // what the nodes will hold
  std::vector<RightsKeeper*> prepared_;
};

}  // namespace rhea::block
