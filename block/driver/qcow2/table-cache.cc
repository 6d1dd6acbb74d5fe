#include "block/driver/qcow2/table-cache.h"

#include <cerrno>

namespace rhea::block::qcow2 {

namespace {

constexpr std::uint64_t kFewest = 4;  // slices: a write needs an L2 slice, its neighbours come and go

}  // namespace

TableCache::TableCache(Child& file, Generations& generations, std::uint32_t sliceBytes, std::uint64_t most)
    : file_(file), generations_(generations), sliceBytes_(sliceBytes) {
  setMost(most);
}

TableCache::~TableCache() = default;

void TableCache::setMost(std::uint64_t bytes) { most_ = std::max(bytes / sliceBytes_, kFewest); }

void TableCache::link(Slice& slice) {
  slice.older = newest_;
  slice.newer = nullptr;
  (newest_ == nullptr ? oldest_ : newest_->newer) = &slice;
  newest_ = &slice;
}

void TableCache::unlink(Slice& slice) {
  (slice.older == nullptr ? oldest_ : slice.older->newer) = slice.newer;
  (slice.newer == nullptr ? newest_ : slice.newer->older) = slice.older;
}

void TableCache::touch(Slice& slice) {
  slice.used = ++tick_;
  if (newest_ == &slice) return;
  unlink(slice);
  link(slice);
}

TableCache::Slice& TableCache::add(std::uint64_t offset) {
  Slice& slice = *slices_.emplace(offset, std::make_shared<Slice>(offset, sliceBytes_)).first->second;
  // What was written just before may have left memory and not be on stable storage yet.
  slice.changed = generations_.last();
  slice.used = ++tick_;
  link(slice);
  return slice;
}

void TableCache::remove(Slice& slice) {
  unlink(slice);
  slices_.erase(slice.offset);
}

bool TableCache::dropOldest() {
  for (Slice* slice = oldest_; slice != nullptr; slice = slice->newer) {
    if (!mayLeave(*slice)) continue;
    remove(*slice);
    return true;
  }
  return false;
}

Task<Result<void>> TableCache::makeRoom() {
  while (slices_.size() >= most_ && dropOldest()) {
  }
  if (slices_.size() < most_ || !relief_) co_return success();
  // All have changes, or somebody holds them. Once is enough: the limit is a wish, what is held may go beyond it.
  if (hasChanges()) RHEA_CO_CHECK(co_await relief_());
  while (slices_.size() >= most_ && dropOldest()) {
  }
  co_return success();
}

TableCache::Hold TableCache::find(std::uint64_t offset) {
  const auto found = slices_.find(offset);
  if (found == slices_.end() || found->second->loading) return {};
  touch(*found->second);
  return Hold(*found->second);
}

Task<Result<TableCache::Hold>> TableCache::get(std::uint64_t offset) {
  while (true) {
    if (Hold hold = find(offset)) co_return hold;
    const auto found = slices_.find(offset);
    if (found == slices_.end()) co_return co_await load(offset);
    // Somebody else reads it; if that fails, this one tries for itself.
    const std::shared_ptr<Slice> loading = found->second;
    static_cast<void>(co_await loading->loaded.wait());
  }
}

Task<Result<TableCache::Hold>> TableCache::load(std::uint64_t offset) {
  RHEA_CO_CHECK(co_await makeRoom());
  // Somebody may have come first meanwhile.
  if (slices_.contains(offset)) co_return co_await get(offset);
  Slice& slice = add(offset);
  if (!slice.memory.ok()) {
    remove(slice);
    co_return Error::fromErrno(ENOMEM);
  }
  slice.loading = true;
  const Result<void> outcome = co_await file_.read(Extent(offset, sliceBytes_), IoVector(slice.bytes()));
  slice.loading = false;
  slice.loaded.set();
  if (outcome.ok()) co_return Hold(slice);
  remove(slice);
  co_return outcome.error();
}

TableCache::Hold TableCache::fresh(std::uint64_t offset) {
  const auto found = slices_.find(offset);
  Slice& slice = found != slices_.end() ? *found->second : add(offset);
  std::ranges::fill(slice.bytes(), std::byte{0});
  touch(slice);
  return Hold(slice);
}

void TableCache::changed(const Hold& hold) {
  Slice& slice = *hold.slice_;
  slice.changed = generations_.next();
  markDirty(slice);
}

void TableCache::markDirty(Slice& slice) {
  if (slice.dirty) return;
  slice.dirty = true;
  dirty_.push_back(slice.offset);
}

void TableCache::forget(Extent range) {
  for (std::uint64_t offset = range.offset; offset < range.end(); offset += sliceBytes_) {
    const auto found = slices_.find(offset);
    if (found == slices_.end()) continue;
    Slice& slice = *found->second;
    slice.dirty = false;
    if (slice.holds == 0 && !slice.loading) remove(slice);
  }
}

void TableCache::dropUnused() {
  for (Slice* slice = oldest_; slice != nullptr && slice->used <= lastClean_;) {
    Slice* const next = slice->newer;
    if (mayLeave(*slice)) remove(*slice);
    slice = next;
  }
  lastClean_ = tick_;
}

std::vector<TableCache::Copy> TableCache::takeChanges() {
  std::vector<Copy> copies;
  copies.reserve(dirty_.size());
  for (const std::uint64_t offset : dirty_) {
    const auto found = slices_.find(offset);
    if (found == slices_.end() || !found->second->dirty) continue;
    found->second->dirty = false;
    const std::span<const std::byte> bytes = found->second->bytes();
    copies.push_back({offset, std::vector<std::byte>(bytes.begin(), bytes.end())});
  }
  dirty_.clear();
  std::ranges::sort(copies, {}, &Copy::offset);
  return copies;
}

void TableCache::giveBack(const std::vector<Copy>& copies) {
  for (const Copy& copy : copies) {
    const auto found = slices_.find(copy.offset);
    // It cannot have left: what is not stable stays.
    if (found != slices_.end()) markDirty(*found->second);
  }
}

}  // namespace rhea::block::qcow2
