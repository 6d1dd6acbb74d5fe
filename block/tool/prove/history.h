// History: what was asked of a disk, what was answered when, and so what must be there after a cut at any moment.
//
// Moments are positions in the write log: position p is "p entries were recorded". Requests of a workload never overlap
// while they are in flight, so the changes of a sector have an order.
#pragma once

#include "block/core/extent.h"
#include "block/tool/prove/pattern.h"
#include "block/tool/prove/promise.h"

namespace rhea::block::prove {

enum class ChangeKind : std::uint8_t { kWrite, kZeroes, kDiscard };

constexpr std::uint64_t kNever = UINT64_MAX;

struct Change {
  ChangeKind kind = ChangeKind::kWrite;
  Extent at;
  std::uint64_t issued = 0;                                  // positions
  std::uint64_t completed = kNever;                          // answered with success
  std::uint64_t flushed = kNever;                            // a flush that covers it was
  std::array<std::uint64_t, kCuts> kept = {kNever, kNever};  // promised from here on
};

class History {
 public:
  History(std::uint64_t diskBytes, bool keepsMetadata, CacheSwitches mode);

  // --- Told by the workload, at the moment of each.
  std::uint32_t begin(ChangeKind kind, Extent at, std::uint64_t position);  // the change's number, from 1
  void complete(std::uint32_t number, std::uint64_t position);
  struct Flush {
    std::size_t covers = 0;  // changes, in the order of their completion
    Promise promise;
  };
  Flush beginFlush() const { return {completions_.size(), promise_}; }
  void completeFlush(const Flush& flush, std::uint64_t position);
  // A change of mode: from its request on until its answer the weaker of both promises holds.
  void beginMode(CacheSwitches to, std::uint64_t position);
  void completeMode(CacheSwitches now, std::uint64_t position);

  // --- Asked afterwards.
  std::uint64_t diskBytes() const { return diskBytes_; }
  std::size_t changes() const { return changes_.size(); }
  std::uint64_t flushes() const { return flushes_; }
  const Change& change(std::uint32_t number) const { return changes_[number - 1]; }
  bool usable(Cut cut, std::uint64_t position) const;

  // What a sector holds, in relation to what must be there.
  struct Finding {
    bool damaged = false;                        // no change's content, or of one that was not asked for yet
    bool completedLost = false;                  // older than a write that was completed
    bool flushedLost = false;                    // older than a write that a completed flush covers
    std::array<std::uint32_t, kCuts> lost = {};  // the newest change that was promised and is not there; 0: none
  };
  Finding look(std::uint64_t sector, std::optional<std::uint32_t> content, std::uint64_t position) const;
  // One line about a change: "write 17 of 4096 bytes at 8192, completed at 30, flushed at 33".
  std::string describe(std::uint32_t number) const;

 private:
  void promise(Change& change, const Promise& promise, Kept needed, std::uint64_t position);

  const std::uint64_t diskBytes_;
  const bool keepsMetadata_;
  std::vector<Change> changes_;
  std::vector<Promise> atIssue_;            // by number - 1
  std::vector<std::uint32_t> completions_;  // numbers, in order
  std::vector<std::vector<std::uint32_t>> bySector_;
  Promise promise_;
  std::vector<std::pair<std::uint64_t, Promise>> promises_;  // from this position on
  std::size_t flushedUpTo_ = 0;                              // of completions_
  std::array<std::size_t, kCuts> keptUpTo_{};                // of completions_: all before are promised
  std::uint64_t flushes_ = 0;
};

}  // namespace rhea::block::prove
