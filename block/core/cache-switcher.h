// CacheSwitcher: one change of the three switches, over a chain of nodes and the disk on top, while requests run.
//
// All or nothing: everything that can fail happens before the switch or is taken back after it. See
// docs/design/cache-modes.md for the order and why.
#pragma once

#include "block/core/graph.h"

namespace rhea::block {

// What becomes of one node.
struct NodeSwitch {
  NodePtr node;
  OpenFlags from;
  OpenFlags to;
  std::optional<DriverOptions> options;  // blockdev-reopen: the driver's own
  NewChildren children;                  // blockdev-reopen: where they will lead
  bool fresh = false;                    // new descriptors in any case
  std::unique_ptr<PreparedReopen> prepared;
};

class CacheSwitcher {
 public:
  CacheSwitcher(BlockGraph& graph, CancelToken cancel) : graph_(graph), cancel_(std::move(cancel)) {}

  // Plans direct and no-flush for the chain below `top`. Error: another disk uses a node of it, and which.
  Result<void> planChain(Node& top, bool direct, bool noFlush);
  // Plans one node's reopen; the chain follows by planChain().
  void planNode(NodePtr node, OpenFlags to, std::optional<DriverOptions> options, NewChildren children);
  // The caller keeps others from reopening these nodes (GraphChange::keepReopens).
  void nodesAreKept() { nodesKept_ = true; }
  // Plans the write-back switch of a disk, whose mode lock the caller holds.
  void planDisk(Disk& disk, bool hostWriteback, bool pendingGuest, bool forced);
  // Disks whose requests are told apart at the switch; the caller holds their mode locks.
  void addDisk(DiskPtr disk) { disks_.push_back(std::move(disk)); }

  // Does it; the disks' mode locks keep the chain as it was planned. Error: everything is as before.
  Task<Result<void>> run();
  std::uint64_t requestsInFlight() const { return inFlight_; }

 private:
  struct DiskSwitch {
    Disk* disk = nullptr;
    bool hostWriteback = true;
    bool pendingGuest = false;
    bool forced = false;
  };
  const NodeSwitch* planOf(const Node& node) const;
  NodeSwitch& planFor(Node& node);
  Result<void> checkUsers(const Node& node, bool isTop, std::string_view weakened) const;
  Task<Result<void>> lockNodes();
  Task<Result<void>> prepare();
  Task<Result<void>> flushAll();
  void commit();
  void revert();
  Task<void> settle();
  bool strengthens() const;
  bool turnsDirectOn() const;

  BlockGraph& graph_;
  CancelToken cancel_;
  std::vector<NodeSwitch> nodes_;
  std::vector<DiskPtr> disks_;
  std::optional<DiskSwitch> disk_;
  DiskSwitch diskBefore_;
  std::vector<Mutex::Lock> nodeLocks_;
  bool nodesKept_ = false;
  std::vector<unsigned> oldEpochs_;  // of disks_
  std::uint64_t inFlight_ = 0;
};

}  // namespace rhea::block
