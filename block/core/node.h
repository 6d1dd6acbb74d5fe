// Node: one driver in the graph, with all that every node needs and no driver should care about.
//
// Requests come in through edges (child.h). Identity, options and edges belong to the graph's loop; what requests read
// is atomic or does not change while requests can run.
#pragma once

#include "block/core/child.h"
#include "block/core/driver-info.h"
#include "block/core/epoch-gate.h"
#include "block/core/flush-ledger.h"
#include "block/core/request-tracker.h"
#include "block/core/statistics.h"
#include "emu/io/sync.h"

namespace rhea::block {

class GraphObserver;

class Node : public std::enable_shared_from_this<Node> {
 public:
  Node(std::string name, const DriverInfo& info, NodeOptions options, OpenFlags flags, Loop& home,
       GraphObserver& observer);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // --- Any thread.
  const std::string& name() const { return name_; }
  const DriverInfo& info() const { return info_; }
  std::uint64_t length() const { return driver_->length(); }
  Limits limits() const { return driver_->limits(); }
  bool isReadOnly() const { return readOnly_.load(std::memory_order_relaxed); }
  bool isDirect() const { return direct_.load(std::memory_order_relaxed); }
  bool isNoFlush() const { return noFlush_.load(std::memory_order_relaxed); }
  DiscardPolicy discardPolicy() const { return discard_.load(std::memory_order_relaxed); }
  DetectZeroes detectZeroes() const { return detectZeroes_.load(std::memory_order_relaxed); }
  // Where the driver's code for this node runs. Changed while drained only; see BlockGraph::moveHome.
  Loop& home() const { return *home_.load(std::memory_order_relaxed); }
  RequestTracker& tracker() { return tracker_; }
  const RequestTracker& tracker() const { return tracker_; }
  // Of all its users together. Times are taken from the coarse clock: right in the sum of many requests, not of one.
  const Statistics& statistics() const { return statistics_; }
  FlushLedger& ledger() { return ledger_; }
  const FlushLedger& ledger() const { return ledger_; }
  // Raises BLOCK_WRITE_THRESHOLD once a write ends beyond it, then switches itself off. 0: off.
  void setWriteThreshold(std::uint64_t offset) { writeThreshold_.store(offset, std::memory_order_relaxed); }
  // End of the highest write so far, in bytes: how far a growing file below a format is filled.
  std::uint64_t highestWritten() const { return highestWritten_.load(std::memory_order_relaxed); }
  std::uint64_t writeThreshold() const { return writeThreshold_.load(std::memory_order_relaxed); }

  // --- The graph's loop.
  const NodeOptions& options() const { return options_; }
  OpenFlags flags() const;
  Driver& driver() const { return *driver_; }
  // Abilities; null where the driver has not got it.
  Informer* informer() const { return informer_; }
  Reopener* reopener() const { return reopener_; }
  Mapper* mapper() const { return mapper_; }
  Resizer* resizer() const { return resizer_; }
  RightsKeeper* rightsKeeper() const { return rightsKeeper_; }
  DrainAware* drainAware() const { return drainAware_; }
  HomeAware* homeAware() const { return homeAware_; }
  // Any ability, for what is asked rarely (those of image.h); null where the driver has not got it.
  template <class Ability>
  Ability* ability() const {
    return dynamic_cast<Ability*>(driver_.get());
  }
  // Requests that come without a disk (a flush of the monitor) pass here, so that a drain can wait for them too.
  EpochGate& door() { return door_; }
  bool canDiscard() const { return discards_ != nullptr; }
  bool canWriteZeroes() const { return zeroWriter_ != nullptr; }
  const std::vector<std::unique_ptr<Child>>& children() const { return children_; }
  Child* child(std::string_view name) const;
  const std::vector<Child*>& parents() const { return parents_; }
  // The child whose content this node shows one to one (filters, raw); null: it has content of its own.
  Child* passThroughChild() const;
  // What all users together use and share.
  Rights held() const { return held_; }
  bool isClosing() const { return closing_; }
  // Made by blockdev-add or -blockdev, and so deleted by blockdev-del alone; otherwise it goes with its last parent.
  bool isMonitorOwned() const { return monitorOwned_; }
  // "/images/vm.raw", or the node's name in brackets where the driver cannot tell.
  std::string fileName() const;

  // --- The request path, for Child; see there.
  Task<Result<void>> read(Extent at, IoVector to);
  Task<Result<void>> write(const Child& by, Extent at, IoVector from, WriteFlags how);
  Task<Result<void>> writeZeroes(const Child& by, Extent at, WriteFlags how);
  Task<Result<void>> discard(const Child& by, Extent at, WriteFlags how);
  Task<Result<void>> flush(FlushTo to);
  Task<Result<BlockStatus>> status(Extent at, bool precise);
  Task<Result<void>> resize(const Child& by, std::uint64_t length, Preallocation preallocation);

 private:
  friend class BlockGraph;
  friend class GraphChange;
  friend class CacheSwitcher;

  void setFlags(OpenFlags flags);
  void setDriver(std::unique_ptr<Driver> driver);
  // The loop to come back to, when a request has to hop to the home loop first; null: it may stay.
  Loop* mustReturnTo() const {
    return info_.threads == DriverThreads::kAny || home().isCurrent() ? nullptr : Loop::current();
  }
  // Whether this stable write is to share a flush with others.
  bool joinsGroup() const;
  bool accounts() const { return !info_.passThrough || info_.latchesFlush; }
  Result<void> checkChange(const Child& by, Extent at) const;
  // All below run on the home loop already where the driver needs it.
  Task<Result<void>> readPieces(Extent at, IoVector to, Limits limits);
  Task<Result<void>> readBounced(Extent at, IoVector to, Limits limits);
  Task<Result<void>> writeTracked(Extent at, IoVector from, WriteFlags how);
  Task<Result<void>> writePieces(Extent at, IoVector from, WriteFlags how, Limits limits);
  Task<Result<void>> writeBounced(Extent at, IoVector from, WriteFlags how, Limits limits);
  Task<Result<void>> zeroTracked(Extent at, WriteFlags how);
  Task<Result<void>> zeroPieces(Extent at, WriteFlags how, Limits limits);
  Task<Result<void>> zeroByWriting(Extent at, WriteFlags how, Limits limits);
  Task<Result<void>> discardPieces(Extent at, WriteFlags how, Limits limits);
  Task<Result<void>> flushHere(FlushTo to);
  void tellLatched();
  void reopened();  // new descriptors: the latch goes
  void noteWritten(Extent written);
  void count(IoKind kind, Extent at, TimePoint since, const Result<void>& outcome);

  const std::string name_;
  const DriverInfo& info_;
  NodeOptions options_;
  GraphObserver& observer_;
  std::atomic<Loop*> home_;
  EpochGate door_;
  std::unique_ptr<Driver> driver_;
  Discards* discards_ = nullptr;
  ZeroWriter* zeroWriter_ = nullptr;
  Mapper* mapper_ = nullptr;
  Resizer* resizer_ = nullptr;
  Reopener* reopener_ = nullptr;
  RightsKeeper* rightsKeeper_ = nullptr;
  Informer* informer_ = nullptr;
  DrainAware* drainAware_ = nullptr;
  HomeAware* homeAware_ = nullptr;
  std::vector<std::unique_ptr<Child>> children_;
  std::vector<Child*> parents_;
  bool monitorOwned_ = false;
  bool closing_ = false;
  Rights held_;                      // what all edges together use and share, as committed
  Mutex reopens_;                    // one change of descriptors or switches at a time
  std::shared_ptr<Event> reserved_;  // by a change of the graph, until it ends
  TaskGroup asks_;                   // questions that may take long; the driver is closed after them
  std::atomic<bool> latchTold_{false};
  bool autoReadOnly_ = false;
  bool forceShare_ = false;
  std::atomic<bool> readOnly_{false};
  std::atomic<bool> direct_{false};
  std::atomic<bool> noFlush_{false};
  std::atomic<bool> stableUnsupported_{false};  // the driver said EOPNOTSUPP to a stable write once
  std::atomic<unsigned> stableWrites_{0};       // in flight; counted where DriverInfo::flushesGroups
  std::atomic<DiscardPolicy> discard_{DiscardPolicy::kIgnore};
  std::atomic<DetectZeroes> detectZeroes_{DetectZeroes::kOff};
  std::atomic<std::uint64_t> writeThreshold_{0};
  std::atomic<std::uint64_t> highestWritten_{0};
  RequestTracker tracker_;
  Statistics statistics_;
  FlushLedger ledger_;
};

}  // namespace rhea::block
