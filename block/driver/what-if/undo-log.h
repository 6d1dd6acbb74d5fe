// UndoLog: what the unflushed changes of a file wrote over, so that what a power cut now would leave can be told.
//
// Any thread. Changes of one place never overlap in time (the recorder sees to it), so undoing them from the newest to
// the oldest gives what is on stable storage. A flush forgets what completed before it was sent; a stable write is
// never undone, and takes its place out of what older changes would put back.
#pragma once

#include "block/core/extent.h"
#include "emu/base/base.h"

namespace rhea::block::what_if {

// What was at a place; null: zeroes.
using Former = std::shared_ptr<const std::vector<std::byte>>;

// One change below the format.
struct Change {
  Extent at;
  Former before;                // of `at`, as long
  bool known = true;            // false: there was no room to keep it
  bool cut = false;             // the file was cut off at at.offset
  std::uint64_t endAfter = 0;   // bytes: where the file ended at least, or, where cut, exactly
  std::vector<Extent> stable;   // parts that a later stable write covers
  std::uint64_t number = 0;     // in the order of their beginning
  std::uint64_t completed = 0;  // in the order of their ends; 0: under way
};

// What was changed since a moment, for whoever still looks at that moment; newest last.
struct Since {
  std::vector<Change> changes;
  std::uint64_t bytes = 0;  // of former content
  bool whole = true;        // false: more was changed than is kept
};

// Stable changes that ended after a moment was asked for: they were under way then, and a cut may have torn them.
struct UnderWay {
  std::vector<Change> changes;
};

// The file at one moment, when nothing was under way.
struct Moment {
  std::vector<Change> unflushed;  // oldest first
  std::shared_ptr<Since> since;   // under the log's lock
  std::uint64_t stableEnd = 0;    // bytes: how long the file surely is
};

class UndoLog {
 public:
  // `limit`: bytes of former content that are kept; `end`: the file's length, which is stable.
  UndoLog(std::uint64_t limit, std::uint64_t end) : limit_(limit), stableEnd_(end) {}

  // Whether so many bytes more may be kept.
  bool hasRoom(std::uint64_t bytes) const;
  std::uint64_t limit() const { return limit_; }
  // A change that is about to begin; its number.
  std::uint64_t begin(Change change);
  // It ended, however; stable: it is on stable storage.
  void end(std::uint64_t number, bool stable);

  // What a flush sent now covers, and that it succeeded.
  std::uint64_t covered() const;
  void flushed(std::uint64_t covered);

  // Before changes are stopped; what ends from here on was under way, and in the moment it is unflushed, whatever it is
  // now.
  std::shared_ptr<UnderWay> ask();
  // Between changes only.
  Moment moment(const UnderWay& asked);
  // What was changed since, newest first, where it touches `at`.
  std::vector<Change> since(const Moment& moment, Extent at) const;
  // Whether all former content is known, of what is unflushed now, or of all that the moment needs.
  bool isWhole() const;
  bool isWhole(const Moment& moment) const;
  std::size_t unflushed() const;

 private:
  void forget(const Change& change);  // guard_ held: it is stable now
  static std::uint64_t bytesOf(const Change& change) { return change.before == nullptr ? 0 : change.before->size(); }

  const std::uint64_t limit_;
  mutable std::mutex guard_;
  std::uint64_t bytes_ = 0;
  std::uint64_t stableEnd_;
  std::uint64_t begun_ = 0;
  std::uint64_t completed_ = 0;
  std::map<std::uint64_t, Change> changes_;  // by number
  std::vector<std::weak_ptr<Since>> watched_;
  std::vector<std::weak_ptr<UnderWay>> asked_;
};

// The parts of `at` that are in none of `without`.
std::vector<Extent> outside(Extent at, std::span<const Extent> without);

}  // namespace rhea::block::what_if
