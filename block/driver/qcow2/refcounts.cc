#include "block/driver/qcow2/refcounts.h"

#include <fmt/format.h>

#include <cerrno>

#include "block/driver/qcow2/gather.h"
#include "block/driver/qcow2/image.h"

namespace rhea::block::qcow2 {

namespace {

constexpr std::uint64_t kSector = 512;
constexpr std::uint64_t kEntriesPerSector = kSector / 8;
constexpr std::uint64_t kFewClusters = 1024;
constexpr std::uint64_t kSlicesPerTurn = 64;  // of a search, before others on the loop have their turn

}  // namespace

Task<Result<void>> Refcounts::load() {
  if (loaded_) co_return success();
  const Mutex::Lock lock = co_await making_.lock();
  if (loaded_) co_return success();
  const std::uint64_t bytes = std::uint64_t{image_.header.refcountTableClusters} << image_.geometry.clusterBits;
  std::vector<std::byte> raw(bytes);
  const Extent place(image_.header.refcountTableOffset, bytes);
  const IoVector into{std::span<std::byte>(raw)};
  RHEA_CO_CHECK(co_await image_.file.read(place, into));
  table_.resize(bytes / 8);
  blocks_.clear();
  for (std::size_t i = 0; i < table_.size(); ++i) {
    table_[i] = get<std::uint64_t>(raw, i * 8) & kRefcountOffsetMask;
    if (table_[i] != 0) blocks_.insert(table_[i]);
  }
  loaded_ = true;
  co_return success();
}

void Refcounts::reload() {
  for (const std::uint64_t block : table_) {
    if (block != 0) image_.refcountBlocks.forget(Extent(block, image_.geometry.clusterSize()));
  }
  loaded_ = false;
  dirty_.clear();
}

std::uint64_t Refcounts::entriesPerSlice() const {
  return std::uint64_t{image_.refcountBlocks.sliceBytes()} * 8 >> image_.geometry.refcountOrder;
}

Task<Result<TableCache::Hold>> Refcounts::sliceOf(std::uint64_t cluster) {
  const std::uint64_t perBlock = image_.geometry.refcountBlockEntries();
  const std::uint64_t index = cluster / perBlock;
  if (index >= table_.size() || table_[index] == 0) co_return TableCache::Hold();
  const std::uint64_t block = table_[index];
  const std::uint64_t slice = cluster % perBlock / entriesPerSlice() * image_.refcountBlocks.sliceBytes();
  if (!image_.geometry.isAligned(block)) {
    std::string message = fmt::format("refcount table entry {} points to {:#x}, the middle of a cluster", index, block);
    Error error = co_await image_.damage.found(std::move(message), image_.header.refcountTableOffset + index * 8);
    co_return error;
  }
  if (TableCache::Hold now = image_.refcountBlocks.find(block + slice)) co_return now;
  co_return co_await image_.refcountBlocks.get(block + slice);
}

Task<Result<std::uint64_t>> Refcounts::of(std::uint64_t cluster) {
  RHEA_CO_CHECK(co_await load());
  RHEA_CO_TRY(const TableCache::Hold slice, co_await sliceOf(cluster));
  if (!slice) co_return std::uint64_t{0};
  co_return refcountAt(slice.bytes(), cluster % entriesPerSlice(), image_.geometry.refcountOrder);
}

Task<Result<void>> Refcounts::raise(ClusterRun run) { return change(run, true); }
Task<Result<void>> Refcounts::lower(ClusterRun run) { return change(run, false); }

Task<Result<void>> Refcounts::change(ClusterRun run, bool up) {
  RHEA_CO_CHECK(co_await load());
  const std::uint32_t order = image_.geometry.refcountOrder;
  for (std::uint64_t cluster = run.first; cluster < run.end();) {
    RHEA_CO_TRY(const TableCache::Hold slice, co_await sliceOf(cluster));
    const std::uint64_t sliceEnd = (cluster / entriesPerSlice() + 1) * entriesPerSlice();
    for (; cluster < std::min(run.end(), sliceEnd); ++cluster) {
      const std::uint64_t count = slice ? refcountAt(slice.bytes(), cluster % entriesPerSlice(), order) : 0;
      if (count == 0) {
        std::string message =
            fmt::format("cluster {:#x} is in use, but its refcount is 0", cluster << image_.geometry.clusterBits);
        Error error = co_await image_.damage.found(std::move(message), cluster << image_.geometry.clusterBits);
        co_return error;
      }
      if (up && count == image_.geometry.mostRefcount()) {
        co_return Error::fromErrno(EOVERFLOW, fmt::format("a cluster has {} users, and refcounts of {} bits end there",
                                                          count, image_.geometry.refcountBits()));
      }
      putRefcount(slice.bytes(), cluster % entriesPerSlice(), order, up ? count + 1 : count - 1);
      if (!up && count == 1) image_.allocator.becameFree(cluster);
    }
    image_.refcountBlocks.changed(slice);
  }
  co_return success();
}

// How many free entries are in the slice from the entry of `from` on, at most `most`.
std::uint64_t Refcounts::countFree(const TableCache::Hold& slice, std::uint64_t from, std::uint64_t most) const {
  const std::uint64_t begin = from % entriesPerSlice();
  const std::uint64_t room = std::min(most, entriesPerSlice() - begin);
  std::uint64_t count = 0;
  while (count < room && refcountAt(slice.bytes(), begin + count, image_.geometry.refcountOrder) == 0) ++count;
  return count;
}

Task<Result<ClusterRun>> Refcounts::takeFree(std::uint64_t from, std::uint64_t most) {
  RHEA_CO_CHECK(co_await load());
  const std::uint64_t perBlock = image_.geometry.refcountBlockEntries();
  for (std::uint64_t slices = 0;; ++slices) {
    // An image that calls everything used, far behind the end of its file, would keep this busy for ever.
    const std::uint64_t end = std::max(image_.allocator.usedEnd(), image_.file.length());
    if (from > image_.geometry.clustersFor(end) + 2 * perBlock + kFewClusters) {
      std::string message =
          fmt::format("refcounts say that clusters far behind the end of the file ({:#x}) are in use", end);
      Error error = co_await image_.damage.found(std::move(message), from << image_.geometry.clusterBits);
      co_return error;
    }
    if (slices % kSlicesPerTurn == kSlicesPerTurn - 1) co_await NextTurn();
    const std::uint64_t index = from / perBlock;
    if (index >= table_.size() || table_[index] == 0) {
      RHEA_CO_CHECK(co_await makeBlock(index));
      continue;
    }
    RHEA_CO_TRY(const TableCache::Hold slice, co_await sliceOf(from));
    const std::uint64_t sliceEnd = (from / entriesPerSlice() + 1) * entriesPerSlice();
    while (from < sliceEnd) {
      const std::uint64_t count = countFree(slice, from, most);
      if (count == 0) {
        ++from;
        continue;
      }
      for (std::uint64_t i = 0; i < count; ++i) {
        putRefcount(slice.bytes(), (from + i) % entriesPerSlice(), image_.geometry.refcountOrder, 1);
      }
      image_.refcountBlocks.changed(slice);
      co_return ClusterRun(from, count);
    }
  }
}

// Rare (tables that grow, compressed clusters across a border): takes pieces until one row is long enough.
Task<Result<ClusterRun>> Refcounts::takeFreeRow(std::uint64_t from, std::uint64_t count) {
  std::vector<ClusterRun> tooShort;
  ClusterRun row;
  Result<void> outcome = success();
  while (row.count < count) {
    Result<ClusterRun> more = co_await takeFree(from, count - row.count);
    if (!more.ok()) {
      outcome = more.takeError();
      break;
    }
    if (row.count == 0 || more->first == row.end()) {
      row = ClusterRun(row.count == 0 ? more->first : row.first, row.count + more->count);
    } else {
      tooShort.push_back(row);
      row = *more;
    }
    from = row.end();
  }
  if (!outcome.ok()) tooShort.push_back(row);
  // Nothing points to them and nothing was written: they are free as before.
  for (const ClusterRun& run : tooShort) {
    if (run.count != 0) RHEA_CO_CHECK(co_await lower(run));
  }
  RHEA_CO_CHECK(outcome);
  co_return row;
}

// A block that is missing says that its whole reach is free; so it is put at the first cluster of it, and describes
// itself.
Task<Result<void>> Refcounts::makeBlock(std::uint64_t index) {
  const Mutex::Lock lock = co_await making_.lock();
  if (index < table_.size() && table_[index] != 0) co_return success();
  if (index >= table_.size()) co_return co_await growTable(index);
  const std::uint64_t cluster = index * image_.geometry.refcountBlockEntries();
  const Extent place(cluster << image_.geometry.clusterBits, image_.geometry.clusterSize());
  if (place.end() > kMostHostOffset) co_return Error::fromErrno(ENOSPC);
  if (const char* victim = image_.overlaps(place, 0)) {
    std::string message = fmt::format("{} is in clusters that have no refcount", victim);
    Error error = co_await image_.damage.found(std::move(message), place.offset);
    co_return error;
  }
  image_.allocator.noteUsed(place.end());
  RHEA_CO_CHECK(co_await image_.file.writeZeroes(place, WriteFlags()));
  const TableCache::Hold slice = image_.refcountBlocks.fresh(place.offset);
  putRefcount(slice.bytes(), 0, image_.geometry.refcountOrder, 1);
  // At once: whatever names the block from now on, it counts itself.
  const Extent start(place.offset, slice.bytes().size());
  const IoVector content(slice.bytes());
  RHEA_CO_CHECK(co_await image_.file.write(start, content, WriteFlags()));
  image_.generations.next();
  table_[index] = place.offset;
  blocks_.insert(place.offset);
  dirty_.insert(index / kEntriesPerSector);
  co_return success();
}

// The new table, and blocks that describe it and themselves, begin where the reach of the old one ends. The header
// changes when all of it is stable, and only then the old table is given back.
Task<Result<void>> Refcounts::growTable(std::uint64_t index) {
  const Geometry& geometry = image_.geometry;
  const std::uint64_t perBlock = geometry.refcountBlockEntries();
  const std::uint64_t perCluster = geometry.clusterSize() / 8;
  const std::uint64_t first = table_.size() * perBlock;  // cluster
  const std::uint64_t wanted = std::max(index + 1, table_.size() + table_.size() / 2 + 1);
  std::uint64_t blocks = 1;
  std::uint64_t tableClusters = 0;
  while (true) {
    tableClusters = (std::max(wanted, table_.size() + blocks) + perCluster - 1) / perCluster;
    const std::uint64_t needed = (tableClusters + blocks + perBlock - 1) / perBlock;
    if (needed <= blocks) break;
    blocks = needed;
  }
  const std::uint64_t offset = first << geometry.clusterBits;
  const std::uint64_t clusters = blocks + tableClusters;
  if (tableClusters << geometry.clusterBits > kMostRefcountTableBytes ||
      offset + (clusters << geometry.clusterBits) > kMostHostOffset) {
    co_return Error::fromErrno(ENOSPC, "the image's refcount table is as long as it can be");
  }
  const Extent all(offset, clusters << geometry.clusterBits);
  image_.allocator.noteUsed(all.end());
  if (const char* victim = image_.overlaps(all, 0)) {
    std::string message = fmt::format("{} is in clusters that have no refcount", victim);
    Error error = co_await image_.damage.found(std::move(message), offset);
    co_return error;
  }
  std::vector<std::uint64_t> table = table_;
  table.resize(tableClusters * perCluster);
  std::vector<std::byte> bytes(all.length);
  for (std::uint64_t i = 0; i < blocks; ++i) {
    table[table_.size() + i] = offset + (i << geometry.clusterBits);
    const std::span<std::byte> block(bytes.data() + (i << geometry.clusterBits), geometry.clusterSize());
    for (std::uint64_t c = i * perBlock; c < std::min(clusters, (i + 1) * perBlock); ++c) {
      putRefcount(block, c % perBlock, geometry.refcountOrder, 1);
    }
  }
  const std::uint64_t tableAt = blocks << geometry.clusterBits;
  for (std::size_t i = 0; i < table.size(); ++i) put<std::uint64_t>(bytes, tableAt + i * 8, table[i]);
  const IoVector content{std::span<const std::byte>(bytes)};
  RHEA_CO_CHECK(co_await image_.file.write(all, content, WriteFlags()));
  RHEA_CO_CHECK(co_await image_.file.flush(FlushTo::kStable));
  std::vector<std::byte> fields(12);
  put<std::uint64_t>(fields, 0, offset + tableAt);
  put<std::uint32_t>(fields, 8, static_cast<std::uint32_t>(tableClusters));
  const Extent old(image_.header.refcountTableOffset,
                   std::uint64_t{image_.header.refcountTableClusters} << geometry.clusterBits);
  RHEA_CO_CHECK(co_await image_.patchHeader(kAtRefcountTable, std::move(fields)));
  image_.header.refcountTableOffset = offset + tableAt;
  image_.header.refcountTableClusters = static_cast<std::uint32_t>(tableClusters);
  for (std::uint64_t i = 0; i < blocks; ++i) blocks_.insert(table[table_.size() + i]);
  table_ = std::move(table);
  dirty_.clear();
  image_.allocator.giveBack(FreedSpace(old, FreeReason::kOther));
  co_return success();
}

std::vector<TableCache::Copy> Refcounts::takeTableChanges() {
  std::vector<TableCache::Copy> sectors;
  for (const std::uint64_t sector : dirty_) {
    TableCache::Copy copy{image_.header.refcountTableOffset + sector * kSector, std::vector<std::byte>(kSector)};
    for (std::uint64_t i = 0; i < kEntriesPerSector; ++i) {
      put<std::uint64_t>(copy.bytes, i * 8, table_[sector * kEntriesPerSector + i]);
    }
    sectors.push_back(std::move(copy));
  }
  dirty_.clear();
  return sectors;
}

void Refcounts::giveBackTable(const std::vector<TableCache::Copy>& sectors) {
  for (const TableCache::Copy& sector : sectors) {
    // A table that grew meanwhile was written whole.
    const std::uint64_t begin = image_.header.refcountTableOffset;
    if (sector.offset >= begin && (sector.offset - begin) / 8 < table_.size())
      dirty_.insert((sector.offset - begin) / kSector);
  }
}

}  // namespace rhea::block::qcow2
