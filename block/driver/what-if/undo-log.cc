#include "block/driver/what-if/undo-log.h"

namespace rhea::block::what_if {

bool UndoLog::hasRoom(std::uint64_t bytes) const {
  const std::lock_guard lock(guard_);
  return bytes <= limit_ && bytes_ <= limit_ - bytes;
}

std::uint64_t UndoLog::begin(Change change) {
  const std::lock_guard lock(guard_);
  bytes_ += bytesOf(change);
  change.number = ++begun_;
  std::erase_if(watched_, [](const std::weak_ptr<Since>& each) { return each.expired(); });
  for (const std::weak_ptr<Since>& each : watched_) {
    const std::shared_ptr<Since> since = each.lock();
    if (since == nullptr || !since->whole) continue;
    since->bytes += bytesOf(change);
    since->whole = change.known && since->bytes <= limit_;
    if (since->whole) since->changes.push_back(change);
  }
  const std::uint64_t number = change.number;
  changes_.emplace(number, std::move(change));
  return number;
}

void UndoLog::end(std::uint64_t number, bool stable) {
  const std::lock_guard lock(guard_);
  const auto found = changes_.find(number);
  if (found == changes_.end()) return;
  found->second.completed = ++completed_;
  if (!stable) return;
  const Change done = std::move(found->second);
  changes_.erase(found);
  forget(done);
  for (const std::weak_ptr<UnderWay>& each : asked_) {
    const std::shared_ptr<UnderWay> asked = each.lock();
    // What it wrote over is not known: then it is one that was there in time.
    if (asked != nullptr && done.known) asked->changes.push_back(done);
  }
  for (auto& [older, change] : changes_) {
    if (older < number && change.at.overlaps(done.at)) change.stable.push_back(done.at);
  }
}

void UndoLog::forget(const Change& change) {
  bytes_ -= bytesOf(change);
  stableEnd_ = change.cut ? change.endAfter : std::max(stableEnd_, change.endAfter);
}

std::uint64_t UndoLog::covered() const {
  const std::lock_guard lock(guard_);
  return completed_;
}

void UndoLog::flushed(std::uint64_t covered) {
  const std::lock_guard lock(guard_);
  for (auto at = changes_.begin(); at != changes_.end();) {
    const bool stable = at->second.completed != 0 && at->second.completed <= covered;
    if (stable) forget(at->second);
    at = stable ? changes_.erase(at) : std::next(at);
  }
}

std::shared_ptr<UnderWay> UndoLog::ask() {
  const std::lock_guard lock(guard_);
  std::erase_if(asked_, [](const std::weak_ptr<UnderWay>& each) { return each.expired(); });
  auto asked = std::make_shared<UnderWay>();
  asked_.push_back(asked);
  return asked;
}

Moment UndoLog::moment(const UnderWay& asked) {
  const std::lock_guard lock(guard_);
  Moment now;
  now.stableEnd = stableEnd_;
  now.unflushed = asked.changes;
  for (const auto& [number, change] : changes_) now.unflushed.push_back(change);
  std::ranges::sort(now.unflushed, {}, &Change::number);
  now.since = std::make_shared<Since>();
  watched_.push_back(now.since);
  return now;
}

std::vector<Change> UndoLog::since(const Moment& moment, Extent at) const {
  const std::lock_guard lock(guard_);
  std::vector<Change> found;
  for (const Change& change : moment.since->changes) {
    if (change.at.overlaps(at)) found.push_back(change);
  }
  std::ranges::reverse(found);
  return found;
}

bool UndoLog::isWhole() const {
  const std::lock_guard lock(guard_);
  return std::ranges::all_of(changes_, [](const auto& each) { return each.second.known; });
}

bool UndoLog::isWhole(const Moment& moment) const {
  const std::lock_guard lock(guard_);
  return moment.since->whole && std::ranges::all_of(moment.unflushed, [](const Change& each) { return each.known; });
}

std::size_t UndoLog::unflushed() const {
  const std::lock_guard lock(guard_);
  return changes_.size();
}

std::vector<Extent> outside(Extent at, std::span<const Extent> without) {
  std::vector<Extent> left = {at};
  for (const Extent& each : without) {
    std::vector<Extent> cut;
    for (const Extent& part : left) {
      if (!part.overlaps(each)) {
        cut.push_back(part);
        continue;
      }
      if (part.offset < each.offset) cut.emplace_back(part.offset, each.offset - part.offset);
      if (each.end() < part.end()) cut.emplace_back(each.end(), part.end() - each.end());
    }
    left = std::move(cut);
  }
  return left;
}

}  // namespace rhea::block::what_if
