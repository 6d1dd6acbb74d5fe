// Abilities: what only some drivers can do. A driver shows by its base classes what it can; the node asks once, at
// open.
#pragma once

#include "block/core/driver.h"
#include "block/core/node-options.h"
#include "block/core/permissions.h"
#include "block/core/storage-facts.h"
#include "emu/io/cancel.h"

namespace rhea {
class Loop;
}

namespace rhea::block {

class Child;
class Node;

class Discards {
 public:
  virtual ~Discards() = default;
  // Aligned to Limits::discardAlignment, within length(). The content becomes undefined unless the driver says more by
  // its Mapper. EOPNOTSUPP counts as done: discard is advice. `how` is stable only for drivers that pass through (they
  // hand it on); for others the core flushes afterwards.
  virtual Task<Result<void>> discard(Extent at, WriteFlags how) = 0;
};

class ZeroWriter {
 public:
  virtual ~ZeroWriter() = default;
  // Aligned to Limits::zeroAlignment. EOPNOTSUPP: the core writes zeroes instead unless WriteFlags::noFallback().
  // Stable as for Discards.
  virtual Task<Result<void>> writeZeroes(Extent at, WriteFlags how) = 0;
};

// What is where, for the first `length` bytes asked about.
struct BlockStatus {
  BlockStatus() = default;
  explicit BlockStatus(std::uint64_t bytes) : length(bytes) {}

  std::uint64_t length = 0;             // bytes that the answer covers, from the start of the question; never 0
  bool data = true;                     // there is allocated content in the layer that answers
  bool zero = false;                    // reads as zeroes
  bool allocated = true;                // content comes from this node, not from its backing child
  bool endOfFile = false;               // the answer reaches the end
  std::optional<std::uint64_t> offset;  // where in `in`: the range is stored there one to one
  Child* in = nullptr;                  // null: in this driver's own storage (a host file)
};

class Mapper {
 public:
  virtual ~Mapper() = default;
  // precise: worth a system call to tell zeroes from data; otherwise allocation is enough.
  virtual Task<Result<BlockStatus>> status(Extent at, bool precise) = 0;
};

enum class Preallocation : std::uint8_t { kOff, kMetadata, kFalloc, kFull };

class Resizer {
 public:
  virtual ~Resizer() = default;
  // Sets length(); new bytes read as zeroes. Error: what was asked, what the driver can.
  virtual Task<Result<void>> resize(std::uint64_t length, Preallocation preallocation) = 0;
};

// A reopen that is ready. Destroying it without commit(), or after revert(), is the abort; settle() comes before that
// in every case, so that closing what is no longer needed happens off the loop.
class PreparedReopen {
 public:
  virtual ~PreparedReopen() = default;
  // New requests use the new state from here on, requests in flight end in the old one. Cannot fail, does not wait.
  virtual void commit() = 0;
  // Back to the old state, after commit(); cannot fail, does not wait.
  virtual void revert() = 0;
  // Waits until no request uses the state that is given up, and releases it (opens, closes and locks off the loop).
  virtual Task<void> settle() = 0;
};

// For a driver that has nothing to do at some reopen.
class UnchangedReopen final : public PreparedReopen {
 public:
  void commit() override {}
  void revert() override {}
  Task<void> settle() override { co_return; }
};

// Where children will lead after a reopen, by name; null: taken away. Those that stay are not listed.
using NewChildren = std::vector<std::pair<std::string, std::shared_ptr<Node>>>;

struct ReopenRequest {
  ReopenRequest() = default;
  ReopenRequest(OpenFlags newFlags, std::optional<DriverOptions> newOptions)
      : flags(newFlags), options(std::move(newOptions)) {}
  // The node that a child will lead to, if it changes.
  const Node* newChild(std::string_view name) const {
    for (const auto& [child, node] : children) {
      if (child == name) return node.get();
    }
    return nullptr;
  }
  OpenFlags flags;
  NewChildren children;                  // exchanged after commit(), while the node is drained
  std::optional<DriverOptions> options;  // none: the driver's own options stay
  bool fresh = false;                    // new descriptors even where nothing changes: clears a failed-flush latch
  CancelToken cancel;
};

class Reopener {
 public:
  virtual ~Reopener() = default;
  // Checks and opens everything that can fail; no side effect on requests. Error: names the file and the switch, as
  // "'vm.raw' is on tmpfs, which cannot open files with O_DIRECT (cache.direct=on)". A driver on top of children that
  // keeps no state of the switches needs no Reopener.
  virtual Task<Result<std::unique_ptr<PreparedReopen>>> prepareReopen(ReopenRequest request) = 0;
};

// Keeps the host's view of who uses the image (locks) in step with the node's rights.
class RightsKeeper {
 public:
  virtual ~RightsKeeper() = default;
  // Takes what the new rights need in addition to the present ones; may open what they need (a file for writing).
  // No reopen of the node runs meanwhile. Error: names the holder; nothing changed.
  virtual Task<Result<void>> prepareRights(Rights rights) = 0;
  // Releases what the prepared (or, after abortRights, the former) rights do not need. Cannot fail.
  virtual void commitRights() = 0;
  virtual void abortRights() = 0;
};

// Tells about the file and what stands behind it; all of it for people and for query-durability.
class Informer {
 public:
  virtual ~Informer() = default;
  // "/images/vm.raw", "null-co://": the name that query-block shows.
  virtual std::string fileName() const = 0;
  // May use system calls, off the loop.
  virtual Task<Result<ImageInfo>> imageInfo() = 0;
  virtual Task<Result<StorageFacts>> storageFacts() = 0;
  // The descriptor that new requests use, for query-stuck; -1: none. Thread-safe, no system call.
  virtual int descriptor() const { return -1; }
  // Driver-specific statistics, by wire name ("discard-nb-ok").
  virtual std::vector<std::pair<std::string, std::uint64_t>> counters() const { return {}; }
};

// Keeps something of its own on the node's home loop: a connection, a timer. For a change of home, while nothing runs.
class HomeAware {
 public:
  virtual ~HomeAware() = default;
  // On the old home: ends what lives there. Then, on the new one: begins it anew.
  virtual Task<void> leaveHome() = 0;
  virtual Task<void> enterHome(Loop& home) = 0;
};

// Holds requests back on purpose (a throttle): while drained, lets all of them through.
class DrainAware {
 public:
  virtual ~DrainAware() = default;
  // Nested; thread-safe.
  virtual void drainBegin() = 0;
  virtual void drainEnd() = 0;
};

}  // namespace rhea::block
