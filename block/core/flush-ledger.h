// FlushLedger: what a node has completed and not yet flushed, and the rules of its flushes.
//
//  * A flush covers every change that completed before it was issued.
//  * A flush with nothing changed since the last one costs no system call; the first one after an open is real.
//  * Flushes coalesce: one waits while another runs, and may be joined until its own system call starts.
//  * A failed flush latches: the kernel may have dropped the dirty pages, and a later success would hide it.
#pragma once

#include "block/core/durability.h"
#include "block/core/extent.h"
#include "emu/base/base.h"
#include "emu/io/sync.h"
#include "emu/io/task.h"

namespace rhea::block {

class FlushLedger {
 public:
  // latches: whether a failed flush does.
  explicit FlushLedger(bool latches) : latches_(latches) {}

  // Accounts a change that completed and is not on stable storage.
  void changed(Extent at);
  // The next flush is real, although nothing is accounted: something below may have changed.
  void touched();
  // Whether there has been any change, flushed or not, since the node was opened.
  bool everChanged() const;

  // Runs `sync` by the rules above; it is the system call, and is called at most once at a time.
  // Errors: those of sync; the latched error.
  Task<Result<void>> flush(std::function<Task<Result<void>>()> sync);

  // Latches where the error is one after which data may be gone (EIO, ENOSPC, EDQUOT). `doing` tells what failed.
  // True: it did so just now.
  bool latch(const Error& error, std::string_view doing);
  // The latched error, where flushes and stable writes must fail.
  Result<void> check() const;
  bool isLatched() const { return latched_.load(std::memory_order_acquire) != 0; }
  std::string latchedWhy() const;
  // A reopen with new descriptors: the latch goes, the next flush is real.
  void reopened();

  // From now on it is kept where the changes are that are not flushed (or no longer).
  void keepPlaces(bool keep);
  struct Places {
    std::vector<Extent> extents;  // in order, joined where they touch
    bool complete = true;         // false: there were too many
  };
  Places places() const;

  Unflushed unflushed() const;
  std::optional<LastFlush> lastFlush() const;
  std::uint64_t syncs() const { return syncs_.load(std::memory_order_relaxed); }

 private:
  struct Pending;
  Error latchedError() const;  // guard_ held
  Task<Result<void>> run(std::function<Task<Result<void>>()> sync);
  void keepPlace(Extent at);  // guard_ held
  static constexpr std::size_t kMostPlaces = 65536;
  const bool latches_;
  mutable std::mutex guard_;
  bool keepsPlaces_ = false;
  Places openPlaces_;             // as open_, not sorted
  Places issuedPlaces_;           // as issued_
  Unflushed open_;                // since the last flush was issued
  Unflushed issued_;              // covered by the running one
  std::uint64_t generation_ = 1;  // of changes; 1: the first flush is real
  std::uint64_t flushed_ = 0;     // generation that is on stable storage
  bool running_ = false;
  std::shared_ptr<Pending> pending_;  // joins are welcome
  std::shared_ptr<Event> ended_;      // of the running one
  std::optional<LastFlush> last_;
  std::atomic<int> latched_{0};  // errno
  std::string latchedWhy_;       // guarded
  std::atomic<std::uint64_t> syncs_{0};
};

}  // namespace rhea::block
