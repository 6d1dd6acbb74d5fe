#include "block/driver/qcow2/write-back.h"

#include <fmt/format.h>

#include "block/driver/qcow2/gather.h"
#include "block/driver/qcow2/image.h"

namespace rhea::block::qcow2 {

struct WriteBack::Round {
  explicit Round(FlushTo far) : to(far) {}
  FlushTo to;
  Event done;
  Result<void> outcome = success();
};

// What a round writes, as it was when the round began. What changes meanwhile belongs to the next.
struct WriteBack::Changes {
  std::vector<TableCache::Copy> blocks;  // of refcounts
  std::vector<TableCache::Copy> table;   // of refcounts
  std::vector<TableCache::Copy> l2;
  std::vector<TableCache::Copy> l1;
  std::vector<FreedSpace> freed;
  std::uint64_t generation = 0;
};

Task<Result<void>> WriteBack::commit(FlushTo to) {
  if (const std::shared_ptr<Round> next = pending_) {
    if (to == FlushTo::kStable) next->to = to;
    static_cast<void>(co_await next->done.wait());
    co_return next->outcome;
  }
  const auto round = std::make_shared<Round>(to);
  pending_ = round;
  {
    const Mutex::Lock lock = co_await turn_.lock();
    // Requests that complete in this very turn of the loop come along.
    co_await NextTurn();
    pending_ = nullptr;
    round->outcome = co_await run(round->to);
  }
  round->done.set();
  co_return round->outcome;
}

Task<Result<void>> WriteBack::commitAll() {
  while (true) {
    RHEA_CO_CHECK(co_await commit(FlushTo::kStable));
    co_await image_.allocator.settle();
    const bool refcountsLeft = image_.refcountBlocks.hasChanges() && !image_.settings.lazyRefcounts;
    if (!refcountsLeft && !image_.l2Tables.hasChanges() && !image_.mapping.hasChanges() &&
        !image_.refcounts.hasTableChanges() && !image_.allocator.hasFreed()) {
      co_return success();
    }
  }
}

Task<Result<void>> WriteBack::barrier() {
  if (image_.isExternal()) RHEA_CO_CHECK(co_await image_.data.flush(FlushTo::kStable));
  co_return co_await image_.file.flush(FlushTo::kStable);
}

Task<Result<void>> WriteBack::run(FlushTo to) {
  Changes changes;
  changes.generation = image_.generations.last();
  // Lazy: refcounts go out when the image is closed, and are made anew where that did not come about.
  if (!image_.settings.lazyRefcounts) changes.blocks = image_.refcountBlocks.takeChanges();
  changes.table = image_.refcounts.takeTableChanges();
  changes.l2 = image_.l2Tables.takeChanges();
  changes.l1 = image_.mapping.takeChanges();
  changes.freed = image_.allocator.takeFreed();
  const Result<void> outcome = co_await write(changes, to);
  if (!outcome.ok()) {
    image_.refcountBlocks.giveBack(changes.blocks);
    image_.refcounts.giveBackTable(changes.table);
    image_.l2Tables.giveBack(changes.l2);
    image_.mapping.giveBack(changes.l1);
    image_.allocator.keepFreed(std::move(changes.freed));
    co_return outcome;
  }
  if (to == FlushTo::kStable) {
    image_.generations.setStable(changes.generation);
    image_.allocator.released(std::move(changes.freed));
  } else {
    written_ = changes.generation;
    unstableFreed_.insert(unstableFreed_.end(), changes.freed.begin(), changes.freed.end());
  }
  co_return outcome;
}

Task<Result<void>> WriteBack::write(Changes& changes, FlushTo to) {
  const auto bit = [](Structure structure) { return static_cast<std::uint16_t>(structure); };
  RHEA_CO_CHECK(co_await writeTables(changes.blocks, bit(Structure::kRefcountBlock)));
  if (!changes.table.empty()) {
    RHEA_CO_CHECK(co_await barrier());
    RHEA_CO_CHECK(co_await writeTables(changes.table, bit(Structure::kRefcountTable)));
  }
  bool isStable = false;
  if (!changes.l2.empty() || !changes.l1.empty()) {
    RHEA_CO_CHECK(co_await barrier());
    // Those of a snapshot may be the disk's as well.
    const std::uint16_t own = bit(Structure::kActiveL2) | bit(Structure::kInactiveL2);
    RHEA_CO_CHECK(co_await writeTables(changes.l2, own));
    if (!changes.l1.empty()) {
      RHEA_CO_CHECK(co_await barrier());
      RHEA_CO_CHECK(co_await writeTables(changes.l1, bit(Structure::kActiveL1)));
    }
  }
  if (to == FlushTo::kStable) {
    RHEA_CO_CHECK(co_await barrier());
    isStable = true;
  }
  // A barrier covers what rounds before this one wrote.
  if (isStable && !unstableFreed_.empty()) image_.allocator.released(std::exchange(unstableFreed_, {}));
  co_return success();
}

Task<Result<void>> WriteBack::checkPlaces(const std::vector<TableCache::Copy>& copies, std::uint16_t structure) {
  for (const TableCache::Copy& copy : copies) {
    const char* const victim = image_.overlaps(Extent(copy.offset, copy.bytes.size()), structure);
    if (victim == nullptr) continue;
    std::string message = fmt::format("a table at {:#x} is where {} is", copy.offset, victim);
    Error error = co_await image_.damage.found(std::move(message), copy.offset);
    co_return error;
  }
  co_return success();
}

namespace {

// Neighbours in one request.
Task<Result<void>> writeNeighbours(Child& file, std::span<const TableCache::Copy> copies) {
  std::vector<iovec> pieces;
  std::uint64_t length = 0;
  for (const TableCache::Copy& copy : copies) {
    pieces.push_back(iovec{const_cast<std::byte*>(copy.bytes.data()), copy.bytes.size()});
    length += copy.bytes.size();
  }
  const IoVector from{std::span<const iovec>(pieces)};
  co_return co_await file.write(Extent(copies.front().offset, length), from, WriteFlags());
}

}  // namespace

Task<Result<void>> WriteBack::writeTables(const std::vector<TableCache::Copy>& copies, std::uint16_t structure) {
  constexpr std::size_t kMostPieces = 256;
  RHEA_CO_CHECK(co_await checkPlaces(copies, structure));
  Gather writes;
  const std::span<const TableCache::Copy> all(copies);
  for (std::size_t first = 0; first < all.size();) {
    std::size_t end = first + 1;
    while (end < all.size() && end - first < kMostPieces &&
           all[end].offset == all[end - 1].offset + all[end - 1].bytes.size()) {
      ++end;
    }
    writes.start(writeNeighbours(image_.file, all.subspan(first, end - first)));
    first = end;
  }
  co_return co_await writes.all();
}

}  // namespace rhea::block::qcow2
