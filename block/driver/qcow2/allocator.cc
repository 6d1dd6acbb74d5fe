#include "block/driver/qcow2/allocator.h"

#include <fmt/format.h>

#include <cerrno>

#include "block/driver/qcow2/image.h"

namespace rhea::block::qcow2 {

void Allocator::begin(std::uint64_t fileLength) {
  // What is only reserved was never used.
  if (reservedEnd_ != 0 && fileLength == reservedEnd_) return;
  reservedEnd_ = 0;
  virginFrom_ = image_.geometry.clustersFor(fileLength) << image_.geometry.clusterBits;
}

Task<void> Allocator::reserve(std::uint64_t end) {
  constexpr std::uint64_t kLeast = 1 << 20;
  constexpr std::uint64_t kMost = 64 << 20;
  if (end <= image_.file.length() || !reserves_) co_return;
  const Mutex::Lock lock = co_await reserving_.lock();
  const std::uint64_t length = image_.file.length();
  if (end <= length || !reserves_) co_return;
  const std::uint64_t longer = end + std::clamp(length, kLeast, kMost);
  const Result<void> grown = co_await image_.file.resize(longer, Preallocation::kOff);
  // It only saves time; writes go on as they would without.
  reserves_ = grown.ok();
  if (grown.ok()) reservedEnd_ = longer;
}

Task<void> Allocator::giveBackReserve() {
  const std::uint64_t reserved = std::exchange(reservedEnd_, 0);
  if (reserved == 0 || image_.file.length() != reserved || virginFrom_ >= reserved) co_return;
  static_cast<void>(co_await image_.file.resize(virginFrom_, Preallocation::kOff));
}

Result<Allocation> Allocator::place(ClusterRun run) {
  const Geometry& geometry = image_.geometry;
  Allocation made;
  made.offset = run.first << geometry.clusterBits;
  made.count = run.count;
  made.virgin = made.offset >= virginFrom_;
  virginFrom_ = std::max(virginFrom_, run.end() << geometry.clusterBits);
  return made;
}

// That a cluster is free, the image says; where one of its own structures is, it is wrong.
Task<Result<void>> Allocator::check(const Allocation& allocation) {
  const Extent all(allocation.offset, allocation.count << image_.geometry.clusterBits);
  const char* const victim = image_.overlaps(all, 0);
  if (victim == nullptr) co_return success();
  std::string message = fmt::format("refcounts say that {:#x} is free, where {} is", all.offset, victim);
  Error error = co_await image_.damage.found(std::move(message), all.offset);
  co_return error;
}

Task<Result<Allocation>> Allocator::take(std::uint64_t most) {
  const std::uint64_t from = hint_;
  RHEA_CO_TRY(const ClusterRun run, co_await image_.refcounts.takeFree(from, most));
  if (hint_ >= from) hint_ = std::max(hint_, run.end());
  RHEA_CO_TRY(const Allocation made, place(run));
  RHEA_CO_CHECK(co_await check(made));
  if (const std::uint64_t end = run.end() << image_.geometry.clusterBits; end > image_.file.length()) {
    co_await reserve(end);
  }
  co_return made;
}

Task<Result<Allocation>> Allocator::takeRow(std::uint64_t count) {
  RHEA_CO_TRY(const ClusterRun run, co_await image_.refcounts.takeFreeRow(hint_, count));
  RHEA_CO_TRY(const Allocation made, place(run));
  RHEA_CO_CHECK(co_await check(made));
  co_return made;
}

Task<Result<std::uint64_t>> Allocator::takeBytes(std::uint64_t bytes) {
  const Geometry& geometry = image_.geometry;
  const Mutex::Lock lock = co_await bytes_.lock();
  if (compressedAt_ != 0) {
    const std::uint64_t at = compressedAt_;
    const std::uint64_t left = geometry.clusterSize() - geometry.inCluster(at);
    bool next = false;  // goes on into a cluster that happens to follow
    if (left < bytes) {
      RHEA_CO_TRY(const Allocation more, co_await take(1));
      next = more.offset == at + left;
      if (!next || compressedAt_ != at) {
        compressedAt_ = more.offset + bytes;
        co_return more.offset;
      }
    }
    if (left >= bytes || next) {
      const Result<void> shared = co_await image_.refcounts.raise(ClusterRun(at >> geometry.clusterBits, 1));
      if (shared.ok()) {
        compressedAt_ = geometry.isAligned(at + bytes) ? 0 : at + bytes;
        co_return at;
      }
      if (shared.error().code() != EOVERFLOW) co_return shared.error();
      if (next) {
        compressedAt_ = at + left + bytes;
        co_return at + left;
      }
    }
  }
  RHEA_CO_TRY(const Allocation fresh, co_await take(1));
  compressedAt_ = bytes == geometry.clusterSize() ? 0 : fresh.offset + bytes;
  co_return fresh.offset;
}

void Allocator::giveBack(FreedSpace space) {
  image_.generations.next();
  // Neighbours as one; compressed clusters may share theirs, and stay by themselves.
  if (!freed_.empty() && freed_.back().why == space.why && freed_.back().at.end() == space.at.offset &&
      space.at.isAligned(image_.geometry.clusterSize()) && image_.geometry.isAligned(freed_.back().at.offset)) {
    freed_.back().at.length += space.at.length;
    return;
  }
  freed_.push_back(space);
}

void Allocator::keepFreed(std::vector<FreedSpace> freed) { freed_.insert(freed_.end(), freed.begin(), freed.end()); }

void Allocator::released(std::vector<FreedSpace> freed) {
  if (freed.empty()) return;
  const auto list = std::make_shared<std::vector<FreedSpace>>(std::move(freed));
  lowering_.spawn(waitAndLower(list));
}

Task<void> Allocator::waitAndLower(std::shared_ptr<std::vector<FreedSpace>> freed) {
  const auto left = std::make_shared<Event>();
  image_.epochs.afterPresent([left] { left->set(); });
  static_cast<void>(co_await left->wait());
  const Mutex::Lock lock = co_await lowers_.lock();
  std::ranges::sort(*freed, {}, [](const FreedSpace& space) { return space.at.offset; });
  for (std::size_t i = 0; i < freed->size(); ++i) {
    FreedSpace space = (*freed)[i];
    // Neighbours together; compressed clusters share theirs, and go one by one.
    while (i + 1 < freed->size() && (*freed)[i + 1].at.offset == space.at.end() && (*freed)[i + 1].why == space.why &&
           image_.geometry.isAligned(space.at.offset) && image_.geometry.isAligned(space.at.length) &&
           image_.geometry.isAligned((*freed)[i + 1].at.length)) {
      space.at.length += (*freed)[++i].at.length;
    }
    const Result<void> done = co_await lowerOne(space);
    // It stays a leak, which a check mends.
    if (!done.ok())
      image_.damage.note(fmt::format("space at {:#x} could not be freed: {}", space.at.offset, done.error().message()));
  }
}

bool Allocator::passesDiscard(FreeReason why) const {
  switch (why) {
    case FreeReason::kRequest:
      return image_.settings.discardRequest;
    case FreeReason::kSnapshot:
      return image_.settings.discardSnapshot;
    case FreeReason::kOther:
      break;
  }
  return image_.settings.discardOther;
}

Task<Result<void>> Allocator::lowerOne(FreedSpace space) {
  const std::uint32_t bits = image_.geometry.clusterBits;
  if (space.at.empty()) co_return success();
  const std::uint64_t first = space.at.offset >> bits;
  const ClusterRun run(first, ((space.at.end() - 1) >> bits) + 1 - first);
  if (passesDiscard(space.why)) {
    // Before the count falls to 0: from then on somebody else may write there.
    for (std::uint64_t cluster = run.first; cluster < run.end();) {
      std::uint64_t last = cluster;
      while (last < run.end()) {
        RHEA_CO_TRY(const std::uint64_t users, co_await image_.refcounts.of(last));
        if (users != 1) break;
        ++last;
      }
      if (last != cluster) {
        const Extent hole(cluster << bits, (last - cluster) << bits);
        static_cast<void>(co_await image_.file.discard(hole, WriteFlags()));
      }
      cluster = last + 1;
    }
  }
  co_return co_await image_.refcounts.lower(run);
}

void Allocator::becameFree(std::uint64_t cluster) {
  hint_ = std::min(hint_, cluster);
  const std::uint32_t bits = image_.geometry.clusterBits;
  if (compressedAt_ >> bits == cluster) compressedAt_ = 0;
  // If it was a table, nothing of it may be found any more.
  const Extent place(cluster << bits, image_.geometry.clusterSize());
  image_.l2Tables.forget(place);
  image_.reader.forgetExpanded();
}

}  // namespace rhea::block::qcow2
