// BlockGraph: the nodes, the disks attached to them, and every change of either.
//
// One per machine or tool. All of it belongs to one loop, the graph's; only requests run elsewhere. Long operations are
// coroutines that may end after their client went: pointers returned are counted, and what they point to stays usable
// (with errors) after it was removed from the graph.
// Changes: one writer at a time; prepare without side effects, drain only the subtree touched, commit without waiting,
// or abort. Opening and closing files happens outside of the writer's turn, so that hung storage hangs only its own
// node.
#pragma once

#include "block/core/cache-change.h"
#include "block/core/disk.h"
#include "block/core/durability.h"
#include "block/core/node.h"

namespace rhea::block {

using NodePtr = std::shared_ptr<Node>;
using DiskPtr = std::shared_ptr<Disk>;

// What a graph stands on; all of it outlives the graph.
struct GraphContext {
  GraphContext(Loop& graphLoop, const DriverRegistry& theDrivers, const Services& theServices,
               GraphObserver& theObserver)
      : loop(graphLoop), drivers(theDrivers), services(theServices), observer(theObserver) {}
  Loop& loop;
  const DriverRegistry& drivers;
  const Services& services;
  GraphObserver& observer;
  RunStateHook* runState = nullptr;
};

// Who asks, and until when; from the command's context.
struct ChangeContext {
  ChangeContext() = default;
  ChangeContext(std::string asking, CancelToken until) : who(std::move(asking)), cancel(std::move(until)) {}
  std::string who;
  CancelToken cancel;
};

struct FlushOutcome {
  std::string disk;  // drive or device id; "" for a node without a disk
  std::string nodeName;
  Duration took{};
  Result<void> result;
};

struct StuckRequest {
  std::string disk;      // one of those above the node; ""
  std::string nodeName;  // "" for a disk's own wait (held by an error policy)
  std::string what;      // "write", "flush", "open", "held by werror=stop"
  std::string fileName;
  int descriptor = -1;
  std::optional<Extent> at;
  Duration age{};
};

// x-debug-query-block-graph.
struct GraphData {
  struct Vertex {
    std::uint64_t id = 0;
    bool isNode = true;  // else an attachment
    std::string name;
  };
  struct Edge {
    std::uint64_t parent = 0;
    std::uint64_t child = 0;
    std::string name;
    Rights rights;
  };
  std::vector<Vertex> vertices;
  std::vector<Edge> edges;
};

class BlockGraph {
 public:
  explicit BlockGraph(GraphContext context);
  // shutdown() must have completed.
  ~BlockGraph();
  BlockGraph(const BlockGraph&) = delete;
  BlockGraph& operator=(const BlockGraph&) = delete;

  Loop& loop() const { return context_.loop; }
  ThrottleGroups& throttleGroups() { return throttleGroups_; }
  const DriverRegistry& drivers() const { return context_.drivers; }

  // --- Finding. Errors have the class DeviceNotFound where clients expect it, and name what exists.
  NodePtr findNode(std::string_view name) const;  // null: none
  DiskPtr findDisk(std::string_view name) const;  // drive id, device id or object path; null: none
  Result<NodePtr> node(std::string_view name) const;
  Result<DiskPtr> disk(std::string_view name) const;
  std::vector<NodePtr> nodes() const;  // in the order of their making
  std::vector<DiskPtr> disks() const;
  // The disks above a node.
  std::vector<DiskPtr> disksAbove(const Node& node) const;

  // --- Nodes.
  // blockdev-add. Error: leaves everything as it was.
  Task<Result<NodePtr>> addNode(NodeOptions options, ChangeContext context);
  // blockdev-del. Error: no such node, made by a parent, in use (names every user).
  Task<Result<void>> removeNode(std::string name, ChangeContext context);
  // blockdev-reopen: all or nothing over all of them. Children may be replaced by reference.
  Task<Result<void>> reopen(std::vector<NodeOptions> nodes, ChangeContext context);
  // block_resize. Error: read-only, shared (names the users), not resizable, the driver's.
  Task<Result<void>> resizeNode(std::string name, std::uint64_t length, ChangeContext context);

  // --- Disks.
  // Attaches to a node; a node that nobody else owns goes with the disk when `owned`.
  Task<Result<DiskPtr>> addDisk(DiskOptions options, std::string nodeName, ChangeContext context);
  // -drive: opens the nodes and attaches, all or nothing; they go with the disk.
  Task<Result<DiskPtr>> addDrive(DiskOptions options, NodeOptions root, ChangeContext context);
  // A drive without a medium (removable).
  Result<DiskPtr> addEmptyDisk(DiskOptions options);
  Task<Result<void>> insertMedium(DiskPtr disk, std::string nodeName, ChangeContext context);
  Task<Result<void>> removeMedium(DiskPtr disk, ChangeContext context);
  // drive_del: waits for its requests, detaches, and closes the nodes that only it kept.
  Task<Result<void>> removeDisk(DiskPtr disk, ChangeContext context);
  // An attachment for a monitor's own I/O on a node, not listed. Ends by removeDisk().
  Task<Result<DiskPtr>> attachMonitor(std::string nodeName, bool write, ChangeContext context);

  // --- Cache modes, flushes, durability (cache-change.h, durability.h).
  // `target`: a drive id, a device id, an object path or a node name.
  Task<Result<CacheChange>> setCache(std::string target, CacheRequest request, ChangeContext context);
  // The guest's own toggle, and its reset: the guest's choice goes back to the configured value.
  Task<Result<void>> guestSetWriteback(DiskPtr disk, bool writeback);
  Task<Result<void>> guestReset(DiskPtr disk);
  // No target: every disk and every other node that is written to. One outcome each; never fails as a whole.
  Task<Result<std::vector<FlushOutcome>>> flush(std::optional<std::string> target, ChangeContext context);
  // `wait`: how long to wait for each node's storage facts.
  Task<DiskDurability> durability(DiskPtr disk, Duration wait);
  // A node without a disk, as if it were one.
  Task<DiskDurability> durability(NodePtr node, Duration wait);
  CacheSwitches cacheOf(const Disk& disk) const;

  // --- Drain: shuts the attachments above, waits for their requests; the others go on. Error: the token's reason, and
  // the drain is undone. Nested.
  Task<Result<void>> drain(NodePtr node, CancelToken cancel);
  void undrain(NodePtr node);

  std::vector<StuckRequest> stuck(Duration longerThan) const;
  GraphData data() const;
  // Refuses new work, ends held requests, drains (until the token's wish), flushes and closes everything.
  Task<void> shutdown(CancelToken giveUp);

 private:
  friend class GraphChange;
  friend class CacheSwitcher;
  struct State;

  GraphContext context_;
  ThrottleGroups throttleGroups_;
  std::unique_ptr<State> state_;
};

}  // namespace rhea::block
