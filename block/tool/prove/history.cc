#include "block/tool/prove/history.h"

namespace rhea::block::prove {

History::History(std::uint64_t diskBytes, bool keepsMetadata, CacheSwitches mode)
    : diskBytes_(diskBytes),
      keepsMetadata_(keepsMetadata),
      bySector_(diskBytes / kSector),
      promise_(promiseOf(mode, keepsMetadata)),
      promises_{{0, promise_}} {}

std::uint32_t History::begin(ChangeKind kind, Extent at, std::uint64_t position) {
  Change change;
  change.kind = kind;
  change.at = at;
  change.issued = position;
  changes_.push_back(change);
  atIssue_.push_back(promise_);
  const auto number = static_cast<std::uint32_t>(changes_.size());
  for (std::uint64_t sector = at.offset / kSector; sector < at.end() / kSector; ++sector) {
    bySector_[sector].push_back(number);
  }
  return number;
}

// What the promise keeps of a change that has come as far as `reached`.
void History::promise(Change& change, const Promise& promise, Kept reached, std::uint64_t position) {
  for (std::size_t cut = 0; cut < kCuts; ++cut) {
    const bool kept = promise.kept[cut] != Kept::kNothing && promise.kept[cut] >= reached;
    if (kept && change.kept[cut] == kNever) change.kept[cut] = position;
  }
}

void History::complete(std::uint32_t number, std::uint64_t position) {
  Change& change = changes_[number - 1];
  change.completed = position;
  completions_.push_back(number);
  // A request keeps the mode that it began under; and a promise given meanwhile holds for it too.
  promise(change, atIssue_[number - 1], Kept::kWritten, position);
  promise(change, promise_, Kept::kWritten, position);
}

void History::completeFlush(const Flush& flush, std::uint64_t position) {
  ++flushes_;
  for (; flushedUpTo_ < flush.covers; ++flushedUpTo_) changes_[completions_[flushedUpTo_] - 1].flushed = position;
  for (std::size_t cut = 0; cut < kCuts; ++cut) {
    if (std::max(flush.promise.kept[cut], promise_.kept[cut]) == Kept::kNothing) continue;
    for (; keptUpTo_[cut] < flush.covers; ++keptUpTo_[cut]) {
      std::uint64_t& kept = changes_[completions_[keptUpTo_[cut]] - 1].kept[cut];
      kept = std::min(kept, position);
    }
  }
}

void History::beginMode(CacheSwitches to, std::uint64_t position) {
  promise_ = weaker(promise_, promiseOf(to, keepsMetadata_));
  promises_.emplace_back(position, promise_);
}

void History::completeMode(CacheSwitches now, std::uint64_t position) {
  promise_ = promiseOf(now, keepsMetadata_);
  promises_.emplace_back(position, promise_);
  for (Change& change : changes_) {
    if (change.completed == kNever) continue;
    promise(change, promise_, Kept::kWritten, position);
    if (change.flushed != kNever) promise(change, promise_, Kept::kFlushed, position);
  }
}

bool History::usable(Cut cut, std::uint64_t position) const {
  bool usable = true;
  for (const auto& [from, promise] : promises_) {
    if (from <= position) usable = promise.usableAfter(cut);
  }
  return usable;
}

History::Finding History::look(std::uint64_t sector, std::optional<std::uint32_t> content,
                               std::uint64_t position) const {
  Finding finding;
  const std::vector<std::uint32_t>& changes = bySector_[sector];
  // Versions are counted from 1; 0 is the empty disk. Zeroes may be the newest change that leaves zeroes.
  std::optional<std::size_t> version;
  if (content == 0U) version = 0;
  for (std::size_t i = changes.size(); content && i-- > 0;) {
    const Change& candidate = change(changes[i]);
    if (candidate.issued > position) continue;
    const bool matches = *content == 0 ? candidate.kind != ChangeKind::kWrite
                                       : candidate.kind == ChangeKind::kWrite && changes[i] == *content;
    if (!matches) continue;
    version = i + 1;
    break;
  }
  if (!version) {
    finding.damaged = true;
    return finding;
  }
  // A discard promises nothing: the sector may hold zeroes or what was there before.
  for (std::size_t i = changes.size(); i-- > *version;) {
    const Change& newer = change(changes[i]);
    if (newer.kind == ChangeKind::kDiscard) continue;
    if (newer.completed <= position) finding.completedLost = true;
    if (newer.flushed <= position) finding.flushedLost = true;
    for (std::size_t cut = 0; cut < kCuts; ++cut) {
      if (newer.kept[cut] <= position && finding.lost[cut] == 0) finding.lost[cut] = changes[i];
    }
  }
  return finding;
}

std::string History::describe(std::uint32_t number) const {
  static constexpr std::array<std::string_view, 3> kKinds = {"write", "write of zeroes", "discard"};
  const Change& what = change(number);
  std::string text = fmt::format("{} {} of {} bytes at {}", kKinds[static_cast<std::size_t>(what.kind)], number,
                                 what.at.length, what.at.offset);
  if (what.completed != kNever) text += fmt::format(", completed at {}", what.completed);
  if (what.flushed != kNever) text += fmt::format(", flushed at {}", what.flushed);
  return text;
}

}  // namespace rhea::block::prove
