#include "block/driver/qcow2/mapping.h"

#include <fmt/format.h>

#include <cerrno>

#include "block/driver/qcow2/image.h"

namespace rhea::block::qcow2 {

namespace {

constexpr std::uint64_t kSector = 512;
constexpr std::uint64_t kEntriesPerSector = kSector / 8;

}  // namespace

Task<Result<void>> Mapping::load() {
  const std::uint64_t count = image_.header.l1Entries;
  std::vector<std::byte> bytes(count * 8);
  if (count != 0) {
    const Extent table(image_.header.l1Offset, bytes.size());
    const IoVector into{std::span<std::byte>(bytes)};
    RHEA_CO_CHECK(co_await image_.file.read(table, into));
  }
  std::vector<std::uint64_t> entries(count);
  for (std::uint64_t i = 0; i < count; ++i) entries[i] = get<std::uint64_t>(bytes, i * 8);
  useL1(std::move(entries));
  co_return success();
}

void Mapping::useL1(std::vector<std::uint64_t> entries) {
  l1_ = std::move(entries);
  l2Tables_.clear();
  for (const std::uint64_t word : l1_) {
    if ((word & kOffsetMask) != 0) l2Tables_.insert(word & kOffsetMask);
  }
}

std::uint64_t Mapping::sliceReach() const {
  const Geometry& geometry = image_.geometry;
  return image_.l2Tables.sliceBytes() / geometry.l2EntryBytes() << geometry.clusterBits;
}

std::uint64_t Mapping::sliceOffset(std::uint64_t table, std::uint64_t guest) const {
  const std::uint64_t inTable = image_.geometry.l2Index(guest) * image_.geometry.l2EntryBytes();
  return table + alignDown<std::uint64_t>(inTable, image_.l2Tables.sliceBytes());
}

Task<Result<void>> Mapping::checkL1(std::uint64_t index) {
  const std::uint64_t word = l1_[index];
  if (image_.geometry.isAligned(word & kOffsetMask)) co_return success();
  const std::uint64_t place = image_.header.l1Offset + index * 8;
  std::string message = fmt::format("L1 entry {} is {:#x}, which points into the middle of a cluster", index, word);
  Error error = co_await image_.damage.found(std::move(message), place);
  co_return error;
}

std::optional<TableCache::Hold> Mapping::findNow(std::uint64_t guest) {
  const std::uint64_t index = image_.geometry.l1Index(guest);
  if (index >= l1_.size()) return TableCache::Hold();
  const std::uint64_t table = l1_[index] & kOffsetMask;
  if (table == 0) return TableCache::Hold();
  TableCache::Hold hold = image_.l2Tables.find(sliceOffset(table, guest));
  if (!hold) return std::nullopt;
  return hold;
}

Task<Result<TableCache::Hold>> Mapping::find(std::uint64_t guest) {
  if (std::optional<TableCache::Hold> now = findNow(guest)) co_return std::move(*now);
  const std::uint64_t index = image_.geometry.l1Index(guest);
  RHEA_CO_CHECK(co_await checkL1(index));
  co_return co_await image_.l2Tables.get(sliceOffset(l1_[index] & kOffsetMask, guest));
}

Task<Result<TableCache::Hold>> Mapping::own(std::uint64_t guest) {
  const std::uint64_t index = image_.geometry.l1Index(guest);
  if (index >= l1_.size()) co_return Error::fromErrno(EIO, "the disk has no room in its L1 table");
  if ((l1_[index] & kOffsetMask) == 0 || (l1_[index] & kCopied) == 0) RHEA_CO_CHECK(co_await makeTable(index));
  co_return co_await find(guest);
}

// A new table is zero on disk before anything points to it: slices that are not in memory are read from there.
Task<Result<void>> Mapping::makeTable(std::uint64_t index) {
  const Mutex::Lock lock = co_await making_.lock();
  const std::uint64_t old = l1_[index];
  if ((old & kOffsetMask) != 0 && (old & kCopied) != 0) co_return success();  // somebody came first
  RHEA_CO_CHECK(co_await checkL1(index));
  RHEA_CO_TRY(const Allocation made, co_await image_.allocator.take(1));
  const Extent cluster(made.offset, image_.geometry.clusterSize());
  Result<void> outcome = success();
  if ((old & kOffsetMask) != 0) {
    outcome = co_await copyTable(old & kOffsetMask, made.offset);
  } else if (!made.virgin) {
    outcome = co_await image_.file.writeZeroes(cluster, WriteFlags());
  }
  if (!outcome.ok()) {
    image_.allocator.giveBack(FreedSpace(cluster, FreeReason::kOther));
    co_return outcome;
  }
  if ((old & kOffsetMask) != 0) {
    const Extent before(old & kOffsetMask, image_.geometry.clusterSize());
    image_.allocator.giveBack(FreedSpace(before, FreeReason::kSnapshot));
  }
  setL1(index, made.offset | kCopied);
  co_return success();
}

Task<Result<void>> Mapping::copyTable(std::uint64_t from, std::uint64_t to) {
  for (std::uint64_t at = 0; at < image_.geometry.clusterSize(); at += image_.l2Tables.sliceBytes()) {
    RHEA_CO_TRY(const TableCache::Hold source, co_await image_.l2Tables.get(from + at));
    const TableCache::Hold copy = image_.l2Tables.fresh(to + at);
    std::ranges::copy(source.bytes(), copy.bytes().begin());
    image_.l2Tables.changed(copy);
  }
  co_return success();
}

ClusterEntry Mapping::entry(const TableCache::Hold& slice, std::uint64_t guest) const {
  return entryAt(slice.bytes(), entryOffset(slice, guest) - slice.offset(), image_.geometry);
}

void Mapping::setEntry(const TableCache::Hold& slice, std::uint64_t guest, ClusterEntry entry) {
  const auto at = static_cast<std::size_t>(entryOffset(slice, guest) - slice.offset());
  put<std::uint64_t>(slice.bytes(), at, entry.word);
  if (image_.geometry.extendedL2) put<std::uint64_t>(slice.bytes(), at + 8, entry.bitmap);
  image_.l2Tables.changed(slice);
}

std::uint64_t Mapping::entryOffset(const TableCache::Hold& slice, std::uint64_t guest) const {
  const std::uint64_t inTable = image_.geometry.l2Index(guest) * image_.geometry.l2EntryBytes();
  return slice.offset() + inTable % image_.l2Tables.sliceBytes();
}

void Mapping::setL1(std::uint64_t index, std::uint64_t word) {
  l2Tables_.erase(l1_[index] & kOffsetMask);
  l1_[index] = word;
  if ((word & kOffsetMask) != 0) l2Tables_.insert(word & kOffsetMask);
  dirty_.insert(index / kEntriesPerSector);
  image_.generations.next();
}

std::vector<TableCache::Copy> Mapping::takeChanges() {
  std::vector<TableCache::Copy> sectors;
  for (const std::uint64_t sector : dirty_) {
    const std::uint64_t first = sector * kEntriesPerSector;
    const std::uint64_t count = std::min<std::uint64_t>(kEntriesPerSector, l1_.size() - first);
    TableCache::Copy copy{image_.header.l1Offset + sector * kSector, std::vector<std::byte>(count * 8)};
    for (std::uint64_t i = 0; i < count; ++i) put<std::uint64_t>(copy.bytes, i * 8, l1_[first + i]);
    sectors.push_back(std::move(copy));
  }
  dirty_.clear();
  return sectors;
}

void Mapping::giveBack(const std::vector<TableCache::Copy>& sectors) {
  const std::uint64_t begin = image_.header.l1Offset;
  for (const TableCache::Copy& sector : sectors) {
    // A table that took this one's place was written whole.
    if (sector.offset >= begin && (sector.offset - begin) / 8 < l1_.size())
      dirty_.insert((sector.offset - begin) / kSector);
  }
}

}  // namespace rhea::block::qcow2
