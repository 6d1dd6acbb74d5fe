// Disk: an attachment to the graph from outside: a drive, a guest device's disk, an export, a monitor's own I/O.
//
// It owns what belongs to the attachment and not to nodes: the write-back switch (host policy, guest's choice, whether
// the guest can flush), throttling, error policies, statistics. Requests may be sent from any loop and return there.
#pragma once

#include "block/core/cache-mode.h"
#include "block/core/child.h"
#include "block/core/durability.h"
#include "block/core/epoch-gate.h"
#include "block/core/observer.h"
#include "block/core/statistics.h"
#include "block/core/throttle.h"

namespace rhea::block {

class Node;
using NodePtr = std::shared_ptr<Node>;

enum class OnError : std::uint8_t { kReport, kIgnore, kNoSpace, kStop };  // kNoSpace: stop on ENOSPC, else report
std::string_view toString(OnError policy);                                // "report", "ignore", "enospc", "stop"
Result<OnError> onErrorOf(std::string_view name);

enum class IoStatus : std::uint8_t { kOk, kFailed, kNoSpace };
std::string_view toString(IoStatus status);  // "ok", "failed", "nospace"

// Whose request it is: error policies and run state concern the guest's alone.
enum class Origin : std::uint8_t { kGuest, kMonitor };

struct DiskOptions {
  DiskOptions() = default;
  explicit DiskOptions(std::string diskId) : id(std::move(diskId)) {}

  std::string id;  // drive id; shares a namespace with node names; empty for a device on a node, an export
  bool readOnly = false;
  bool writeback = true;  // the host's policy
  OnError writeError = OnError::kNoSpace;
  OnError readError = OnError::kReport;
  bool removable = false;
  bool accountFailed = true;                  // failed requests count for the times
  bool accountInvalid = true;                 // refused ones count as accesses
  std::vector<std::uint64_t> statsIntervals;  // seconds; what query-blockstats tells as timed_stats
  bool temporary = false;                     // what is written goes with the drive (snapshot=on)
  // What the attachment lets others do with the node; writing is not among it unless share-rw was asked for.
  Permissions shared = Permissions::consistentRead() | Permissions::writeUnchanged() | Permissions::resize();
};

// The guest's side of a disk, made by its device; called on the graph's loop.
class GuestLink {
 public:
  virtual ~GuestLink() = default;
  virtual bool canFlush() const = 0;          // negotiated a way to flush
  virtual bool believesVolatile() const = 0;  // was told that the cache is volatile
  // Announces a new write-back state; false: whether this guest looks before its next reset is its own matter.
  virtual bool tell(bool writeback) = 0;
  // The disk has another length now.
  virtual void resized() {}
};

class Disk {
 public:
  Disk(DiskOptions options, GraphObserver& observer, RunStateHook* runState);
  ~Disk();
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  // --- Requests, from any loop. `data` has the extent's length and lives until completion.
  // Errors: ENOMEDIUM without a root, EIO out of bounds, EROFS, the driver's; ENODEV once removed.
  Task<Result<void>> read(Extent at, IoVector to, Origin origin = Origin::kGuest);
  Task<Result<void>> write(Extent at, IoVector from, WriteFlags how = {}, Origin origin = Origin::kGuest);
  Task<Result<void>> writeZeroes(Extent at, WriteFlags how = {}, Origin origin = Origin::kGuest);
  Task<Result<void>> discard(Extent at, Origin origin = Origin::kGuest);
  Task<Result<void>> flush(Origin origin = Origin::kGuest);

  // --- Any thread.
  const std::string& id() const { return options_.id; }
  bool isReadOnly() const;
  std::uint64_t length() const;  // bytes; 0 without a medium
  bool effectiveWriteback() const;
  Statistics& statistics() { return statistics_; }
  const Statistics& statistics() const { return statistics_; }
  EpochGate& gate() { return gate_; }
  const EpochGate& gate() const { return gate_; }

  // --- The graph's loop.
  const DiskOptions& options() const { return options_; }
  std::string name() const;  // drive id, else device id, else "#disk of node 'x'"; for messages
  bool hasRoot() const { return root_.isAttached(); }
  Node& root() const { return root_.node(); }
  Child& rootEdge() { return root_; }
  const Child& rootEdge() const { return root_; }
  void setDevice(std::string deviceId, std::string qomPath, GuestLink* link);
  const std::string& deviceId() const { return deviceId_; }
  const std::string& qomPath() const { return qomPath_; }
  bool hasDevice() const { return !qomPath_.empty(); }

  bool hostWriteback() const { return hostWriteback_; }
  bool guestWriteback() const { return guestWriteback_; }
  bool isPendingGuest() const { return pendingGuest_; }
  bool isForced() const { return forced_; }
  GuestView guestView() const;

  // No limits at all take the disk out of its group, whose limits stay for the others. `group` empty: a group of its
  // own, named after the disk.
  Result<void> setThrottle(ThrottleGroups& groups, std::string group, const ThrottleLimits& limits);
  std::shared_ptr<ThrottleGroup> throttleGroup() const;

  void setErrorPolicies(OnError write, OnError read);
  OnError writeError() const { return writeError_.load(std::memory_order_relaxed); }
  OnError readError() const { return readError_.load(std::memory_order_relaxed); }
  IoStatus ioStatus() const { return ioStatus_.load(std::memory_order_relaxed); }
  void resetIoStatus() { ioStatus_.store(IoStatus::kOk, std::memory_order_relaxed); }
  // `cont`: requests held by werror/rerror=stop are tried again. Any thread.
  void retryHeld();
  // The device is being reset: requests that are held end with ECANCELED. Any thread.
  void abandonHeld();
  std::size_t held() const { return held_.load(std::memory_order_relaxed); }

 private:
  friend class BlockGraph;
  friend class GraphChange;
  friend class CacheSwitcher;

  enum class Action : std::uint8_t { kRead, kWrite, kZeroes, kDiscard, kFlush };
  struct Request {
    Request(Action what, Extent range, IoVector memory, WriteFlags flags, Origin whose)
        : action(what), at(range), data(memory), how(flags), origin(whose) {}
    IoKind kind() const;
    Action action;
    Extent at;
    IoVector data;
    WriteFlags how;
    Origin origin;
  };

  Task<Result<void>> submit(Request request);
  Task<Result<void>> send(const Request& request, bool writeThrough);
  Result<void> checkExtent(const Request& request) const;
  // What the policies say about an error of the guest's; reported to the observer.
  ErrorAction decide(const Request& request, const Error& error);
  std::shared_ptr<Event> nextRetry();
  // The node that accounts what is written to this disk.
  Node& accountingNode() const;
  void drainBegin();
  void drainEnd();
  bool wantsWriteback() const;
  void applyWriteback(unsigned epoch);  // effective mode into the epoch's slot

  DiskOptions options_;
  GraphObserver& observer_;
  std::atomic<RunStateHook*> runState_;
  Child root_;
  std::string deviceId_;
  std::string qomPath_;
  GuestLink* guest_ = nullptr;

  EpochGate gate_;
  std::array<std::atomic<bool>, 2> writeThrough_{};  // by epoch: what its requests run under
  Mutex modeChanges_;                                // one change of mode at a time
  bool hostWriteback_;
  bool announcedWriteback_;  // the effective mode that observers know: a driver that starts or stops is no news
  bool guestWriteback_ = true;
  bool pendingGuest_ = false;
  bool forced_ = false;

  std::atomic<bool> removed_{false};
  std::atomic<OnError> writeError_;
  std::atomic<OnError> readError_;
  std::atomic<IoStatus> ioStatus_{IoStatus::kOk};
  std::mutex heldGuard_;
  std::shared_ptr<Event> retry_ = std::make_shared<Event>();
  std::atomic<std::size_t> held_{0};
  std::atomic<unsigned> abandoned_{0};  // how often held requests were
  std::atomic<ThrottleMember*> throttle_{nullptr};
  std::vector<std::unique_ptr<ThrottleMember>> throttles_;  // the current one last; the others may still be waited in
  unsigned throttleDrains_ = 0;
  Statistics statistics_;
};

using DiskPtr = std::shared_ptr<Disk>;

}  // namespace rhea::block
