// BlockGraph: the nodes, the disks attached to them, and every change of either.
//
// One per machine or tool. All of it belongs to one loop, the graph's; only requests run elsewhere. Long operations are
// coroutines that may end after their client went: pointers returned are counted, and what they point to stays usable
// (with errors) after it was removed from the graph.
// Changes (graph-change.h): one writer at a time per subtree; prepare without side effects, drain only the subtree
// touched, commit without waiting, or abort. Opening and closing files happens outside of that, and what waits for the
// host within it keeps only its own subtree, so that hung storage hangs nobody else.
#pragma once

#include "block/core/cache-change.h"
#include "block/core/disk.h"
#include "block/core/durability.h"
#include "block/core/node.h"

namespace rhea::block {

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
  const Services& services() const { return context_.services; }

  // --- Finding. Errors have the class DeviceNotFound where clients expect it, and name what exists.
  NodePtr findNode(std::string_view name) const;  // null: none
  DiskPtr findDisk(std::string_view name) const;  // drive id, device id or object path; null: none
  Result<NodePtr> node(std::string_view name) const;
  Result<DiskPtr> disk(std::string_view name) const;
  const std::vector<NodePtr>& nodes() const { return nodes_; }  // in the order of their making
  const std::vector<DiskPtr>& disks() const { return disks_; }
  // The disks above a node, at any distance.
  std::vector<DiskPtr> disksAbove(const Node& node) const;
  // The nodes below and with this one, from the top; each once.
  static std::vector<Node*> nodesBelow(Node& node);

  // All operations below end early with the token's reason when the token is cancelled. What the host still works on
  // then goes on in the background, is undone or completed when it can be, and is shown by stuck() meanwhile.

  // --- Nodes.
  // blockdev-add. Error: leaves everything as it was.
  Task<Result<NodePtr>> addNode(NodeOptions options, ChangeContext context);
  // blockdev-del. Error: no such node, made by a parent, in use (names every user).
  Task<Result<void>> removeNode(std::string name, ChangeContext context);
  // The node goes with the last of its users from now on, as if one of them had opened it.
  static void leaveToUsers(const NodePtr& node);
  // blockdev-reopen: all or nothing over all of them. Children may lead to other nodes that exist, optional ones be
  // given or taken away. Changes of direct and no-flush go down the chain. Error: names the key that cannot change.
  Task<Result<void>> reopen(std::vector<NodeOptions> nodes, ChangeContext context);
  // block_resize. Error: read-only, shared (names the users), not resizable, the driver's.
  Task<Result<void>> resizeNode(std::string name, std::uint64_t length, ChangeContext context);
  // What the driver tells of its image; without Informer what the core knows.
  Task<Result<ImageInfo>> imageInfo(NodePtr node, CancelToken cancel);

  // --- Disks.
  // Attaches to a node that exists.
  Task<Result<DiskPtr>> addDisk(DiskOptions options, std::string nodeName, ChangeContext context);
  // -drive: opens the nodes and attaches, all or nothing; the nodes go with the disk.
  Task<Result<DiskPtr>> addDrive(DiskOptions options, NodeOptions root, ChangeContext context);
  // A drive without a medium (removable).
  Result<DiskPtr> addEmptyDisk(DiskOptions options);
  Task<Result<void>> insertMedium(DiskPtr disk, std::string nodeName, ChangeContext context);
  Task<Result<void>> removeMedium(DiskPtr disk, ChangeContext context);
  // drive_del: waits for its requests, detaches, and closes the nodes that only it kept. Error: the disk stays.
  Task<Result<void>> removeDisk(DiskPtr disk, ChangeContext context);
  // An attachment for a monitor's own I/O on a node, not listed. Ends by removeDisk().
  Task<Result<DiskPtr>> attachMonitor(std::string nodeName, Permissions used, ChangeContext context);

  // --- Filters put in and taken out while requests run; they wait outside for that moment.
  // Puts a filter between the disk's chain and a node of it, and gives the filter. `filter` names no child "file".
  // Error: the node is not in the chain; the driver's; nothing has changed.
  Task<Result<NodePtr>> insertFilter(DiskPtr disk, NodePtr below, NodeOptions filter, ChangeContext context);
  // Takes out what insertFilter() put in, and closes it. Error: it is not in the chain any more.
  Task<Result<void>> removeFilter(DiskPtr disk, NodePtr filter, ChangeContext context);

  // --- Cache modes, flushes, durability (cache-change.h, durability.h).
  // `target`: a drive id, a device id, an object path or a node name.
  Task<Result<CacheChange>> setCache(std::string target, CacheRequest request, ChangeContext context);
  // The guest's own toggle, and its reset: the guest's choice goes back to the configured value.
  Task<Result<void>> guestSetWriteback(DiskPtr disk, bool writeback);
  Task<Result<void>> guestReset(DiskPtr disk);
  // No target: every disk, and every other node that was written to. One outcome each; where the token was cancelled
  // before all ended, the outcomes that are missing say so.
  Task<Result<std::vector<FlushOutcome>>> flush(std::optional<std::string> target, ChangeContext context);
  // `wait`: how long to wait for the nodes' storage facts.
  Task<DiskDurability> durability(DiskPtr disk, Duration wait);
  // A node without a disk, as if it were one.
  Task<DiskDurability> nodeDurability(NodePtr node, Duration wait);
  static CacheSwitches cacheOf(const Disk& disk);

  // --- Drain: shuts the attachments above, waits for their requests; the others go on. Error: the token's reason, and
  // the drain is undone. Nested.
  Task<Result<void>> drain(NodePtr node, CancelToken cancel);
  void undrain(const NodePtr& node);

  // Lets the node and all below it live on another loop from now on (an iothread's; and back, before that ends): their
  // drivers' code runs there, and requests from there need no hop. Drains meanwhile. A node that others use as well
  // moves with it; their requests hop. Error: the token's reason, and nothing has changed.
  Task<Result<void>> moveHome(NodePtr node, Loop& home, ChangeContext context);

  std::vector<StuckRequest> stuck(Duration longerThan) const;
  GraphData data() const;
  // Refuses new work, ends held requests, drains, flushes and closes everything. Error: the token's reason, before all
  // was closed; then the process must end without destroying the graph.
  Task<Result<void>> shutdown(CancelToken giveUp);

 private:
  friend class CacheSwitcher;

  // An operation that takes long, for stuck(); listed while it exists.
  class Operation;
  struct Drained {
    Node* node = nullptr;
    std::vector<DiskPtr> disks;
    std::vector<NodePtr> aware;
    std::vector<NodePtr> doors;  // of nodes above, for requests without a disk
  };

  // Runs `work` in the background and waits for it until it ends or the token is cancelled.
  template <class T>
  Task<Result<T>> abandonable(Task<Result<T>> work, CancelToken cancel);

  Result<std::string> reserve(const std::string& name);
  void release(const std::string& name);
  Task<Result<NodePtr>> openTree(NodeOptions options, OpenFlags inherited, bool monitorOwned, ChangeContext context);
  struct OpenPath;
  Task<Result<NodePtr>> openNode(NodeOptions options, OpenFlags inherited, ChangeContext context,
                                 const OpenPath* above);
  OpenContext openContextOf(const Node& node, OpenFlags flags, CancelToken cancel);
  Task<Result<void>> openChildren(Node& node, OpenFlags flags, ChangeContext context, const OpenPath* above);
  Task<Result<void>> openImplied(Node& node, OpenFlags flags, ChangeContext context, const OpenPath* above);
  Task<Result<void>> attachChild(Child& edge, NodePtr child);
  static Child& addEdge(Node& parent, const ChildSpec& spec);
  Task<void> closeNode(NodePtr node);
  Task<Result<void>> closeReporting(NodePtr node);
  Error unknownTarget(std::string_view target) const;
  Task<void> closeUnused(std::vector<NodePtr> nodes);
  Task<Result<void>> applyRights(Node& top);

  Task<Result<NodePtr>> doAddNode(NodeOptions options, ChangeContext context);
  Task<Result<void>> doRemoveNode(std::string name);
  Task<Result<void>> doReopen(std::vector<NodeOptions> nodes, ChangeContext context);
  Task<Result<void>> doResize(NodePtr node, std::uint64_t length, ChangeContext context);
  Task<Result<DiskPtr>> doAddDrive(DiskOptions options, NodeOptions root, ChangeContext context);
  Task<Result<void>> attachRoot(DiskPtr disk, NodePtr node, Permissions used, ChangeContext context);
  Task<Result<void>> detachRoot(DiskPtr disk, bool forGood, ChangeContext context);
  Result<DiskPtr> makeDisk(DiskOptions options);
  void list(const DiskPtr& disk);
  Task<Result<NodePtr>> doInsertFilter(DiskPtr disk, NodePtr below, NodeOptions filter, ChangeContext context);
  Task<Result<void>> doRemoveFilter(DiskPtr disk, NodePtr filter, ChangeContext context);
  Task<Result<void>> turnEdge(DiskPtr disk, NodePtr from, NodePtr to, CancelToken cancel);
  Task<Result<void>> doMoveHome(NodePtr node, Loop& home, ChangeContext context);
  Task<void> settleAt(NodePtr node, Loop& home);
  Drained shut(const std::vector<DiskPtr>& disks);
  std::vector<NodePtr> withNodesAbove(const Node& node) const;
  static void open(const Drained& drained);
  void forget(const Disk& disk);
  NodePtr pointerTo(const Node& node) const;
  Task<Result<CacheChange>> doSetDiskCache(DiskPtr disk, CacheRequest request, ChangeContext context);
  Task<Result<CacheChange>> doSetNodeCache(NodePtr node, CacheRequest request, ChangeContext context);
  static bool chainDiffers(Node& top, CacheSwitches to);
  Result<void> checkWriteThroughAbove(const Node& node, bool noFlush) const;
  void tellChange(const CacheChange& change, const std::string& qomPath, const std::string& who, bool forced) const;
  Task<Result<void>> turnGuestWriteback(DiskPtr disk, bool stronger, CacheChange& change);
  Task<Result<void>> guestChange(DiskPtr disk, bool writeback, std::string who);
  Task<void> fillChain(Node& top, DiskDurability& durability, Duration wait);
  struct Reopening;
  Result<void> resolveReopen(NodeOptions options, std::vector<Reopening>& all);

  GraphContext context_;
  ThrottleGroups throttleGroups_;
  std::vector<NodePtr> nodes_;    // open ones
  std::vector<NodePtr> opening_;  // not to be seen yet
  std::vector<DiskPtr> disks_;
  std::vector<DiskPtr> hidden_;  // being made, and attachments of monitors
  std::map<std::string, Node*, std::less<>> byName_;
  std::map<std::string, std::string, std::less<>> reserved_;  // names in use: by what
  std::uint64_t generated_ = 0;
  std::vector<Operation*> operations_;
  std::vector<Drained> drained_;
  TaskGroup background_;
  bool closing_ = false;
};

}  // namespace rhea::block
