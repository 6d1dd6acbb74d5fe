#include "block/driver/qcow2/snapshots.h"

#include <cerrno>
#include <charconv>

#include "block/driver/qcow2/resize.h"
#include "emu/base/names.h"

namespace rhea::block::qcow2 {

Task<Result<void>> Snapshots::load() {
  if (loaded_) co_return success();
  RHEA_CO_TRY(SnapshotTable table, co_await readSnapshotTable(image_.file, image_.header));
  entries_ = std::move(table.entries);
  tableBytes_ = table.bytes;
  loaded_ = true;
  co_await noteTables();
  co_return success();
}

Task<void> Snapshots::noteTables() {
  image_.snapshotTable = Extent(image_.header.snapshotsOffset, tableBytes_);
  image_.inactiveTables.clear();
  for (const SnapshotEntry& entry : entries_) {
    image_.inactiveTables.emplace_back(entry.l1Offset, std::uint64_t{entry.l1Entries} * 8);
  }
  const auto wanted = static_cast<std::uint16_t>(Structure::kInactiveL2);
  if ((image_.settings.protectedStructures & wanted) != 0) co_await noteL2Tables();
}

// As far as their L1 tables can be read, and together are not longer than any single one may be: an image that has more
// is not worth the time at its opening.
Task<void> Snapshots::noteL2Tables() {
  std::unordered_set<std::uint64_t> tables;
  std::uint64_t left = kMostL1Bytes;
  for (const SnapshotEntry& entry : entries_) {
    const std::uint64_t bytes = std::uint64_t{entry.l1Entries} * 8;
    if (!checkSnapshot(entry, image_.header, image_.file.length()).ok() || bytes > left) continue;
    left -= bytes;
    std::vector<std::byte> table(bytes);
    const IoVector into{std::span<std::byte>(table)};
    if (const Result<void> read = co_await image_.file.read(Extent(entry.l1Offset, bytes), into); !read.ok()) continue;
    for (std::size_t at = 0; at < table.size(); at += 8) {
      const std::uint64_t place = get<std::uint64_t>(table, at) & kOffsetMask;
      if (place != 0) tables.insert(place);
    }
  }
  image_.inactiveL2Tables = std::move(tables);
}

std::uint64_t Snapshots::stateStart() const {
  return image_.geometry.l1EntriesFor(image_.length()) * image_.geometry.l2Reach();
}

Result<std::size_t> Snapshots::find(std::string_view which) const {
  for (const auto member : {&SnapshotEntry::id, &SnapshotEntry::name}) {
    const auto found = std::ranges::find(entries_, which, member);
    if (found != entries_.end()) return static_cast<std::size_t>(found - entries_.begin());
  }
  std::vector<std::string> names;
  for (const SnapshotEntry& entry : entries_) names.push_back(entry.name.empty() ? entry.id : entry.name);
  return Error::fromErrno(ENOENT, fmt::format("the image has no snapshot '{}'", which))
      .candidates(nearestNames(which, std::span<const std::string>(names)))
      .hint(entries_.empty() ? "it has none at all" : "they are listed with their ids by snapshot -l");
}

std::string Snapshots::newId() const {
  std::uint64_t highest = 0;
  for (const SnapshotEntry& entry : entries_) {
    std::uint64_t number = 0;
    const char* const end = entry.id.data() + entry.id.size();
    if (std::from_chars(entry.id.data(), end, number).ptr == end && number < UINT64_MAX) {
      highest = std::max(highest, number);
    }
  }
  return std::to_string(highest + 1);
}

Task<Result<void>> Snapshots::ready() {
  if (image_.isExternal()) {
    co_return Error::fromErrno(ENOTSUP, "an image with an external data file cannot have snapshots inside")
        .hint("take a snapshot by an overlay image instead");
  }
  RHEA_CO_CHECK(co_await load());
  co_return co_await image_.beginWriting();
}

Task<Result<void>> Snapshots::marked(Task<Result<void>> work) {
  const std::uint64_t before = image_.header.incompatible;
  RHEA_CO_CHECK(co_await image_.writeBack.commitAll());
  RHEA_CO_CHECK(co_await image_.patchIncompatible(before | kDirty));
  Result<void> done = co_await work;
  // Where it failed, what is in memory is as before, and goes out before the mark.
  Result<void> written = co_await image_.writeBack.commitAll();
  if (written.ok() && !image_.damage.isFound()) written = co_await image_.patchIncompatible(before);
  if (!done.ok()) co_return done;
  co_return written;
}

Task<Result<std::vector<SnapshotInfo>>> Snapshots::list() {
  RHEA_CO_CHECK(co_await load());
  std::vector<SnapshotInfo> infos;
  for (const SnapshotEntry& entry : entries_) {
    SnapshotInfo& info = infos.emplace_back();
    info.id = entry.id;
    info.name = entry.name;
    info.vmStateBytes = entry.vmStateBytes;
    info.diskBytes = entry.diskBytes;
    info.dateSeconds = entry.dateSeconds;
    info.dateNanoseconds = entry.dateNanoseconds;
    info.vmClock = entry.vmClock;
    info.instructions = entry.instructions;
  }
  co_return infos;
}

Task<Result<void>> Snapshots::create(SnapshotInfo info) {
  RHEA_CO_CHECK(co_await ready());
  if (entries_.size() >= kMostSnapshots) {
    co_return Error(fmt::format("the image has {} snapshots, and there can be no more", entries_.size()));
  }
  if (info.name.size() > UINT16_MAX) co_return Error("the snapshot's name is too long").expected("65535 bytes at most");
  if (image_.header.refcountOrder == 0) {
    co_return Error::fromErrno(ENOTSUP, "refcounts of one bit cannot count a snapshot's use of a cluster")
        .hint("amend the image to refcount_bits=16");
  }
  Task<Result<void>> work = createMarked(std::move(info));
  co_return co_await marked(std::move(work));
}

Task<Result<void>> Snapshots::createMarked(SnapshotInfo info) {
  const L1Table l1 = image_.mapping.l1();
  RHEA_CO_CHECK(co_await raiseReach(image_, l1));
  RHEA_CO_CHECK(co_await refreshFlags(image_));
  auto table = co_await storeNew(image_, bytesOfL1(l1));
  if (!table.ok()) {
    RHEA_CO_CHECK(co_await lowerReach(image_, l1));
    RHEA_CO_CHECK(co_await refreshFlags(image_));
    co_return table.takeError();
  }
  SnapshotEntry entry;
  entry.l1Offset = *table;
  entry.l1Entries = static_cast<std::uint32_t>(l1.size());
  entry.id = newId();
  entry.name = std::move(info.name);
  entry.dateSeconds = static_cast<std::uint32_t>(info.dateSeconds);
  entry.dateNanoseconds = info.dateNanoseconds;
  entry.vmClock = info.vmClock;
  entry.vmStateBytes = info.vmStateBytes;
  entry.diskBytes = image_.length();
  entry.instructions = info.instructions;
  std::vector<SnapshotEntry> entries = entries_;
  entries.push_back(std::move(entry));
  const Result<void> replaced = co_await replaceTable(std::move(entries));
  if (!replaced.ok()) {
    image_.allocator.giveBack(FreedSpace(
        Extent(*table, image_.geometry.clustersFor(l1.size() * 8) << image_.geometry.clusterBits), FreeReason::kOther));
    RHEA_CO_CHECK(co_await lowerReach(image_, l1));
    RHEA_CO_CHECK(co_await refreshFlags(image_));
    co_return replaced;
  }
  // The state belongs to the snapshot now.
  co_return co_await forgetState();
}

Task<Result<void>> Snapshots::forgetState() {
  const std::uint64_t start = stateStart();
  const std::uint64_t end = image_.mapping.l1().size() * image_.geometry.l2Reach();
  if (end > start) RHEA_CO_CHECK(co_await image_.writer.forget(Extent(start, end - start)));
  co_return success();
}

Task<Result<void>> Snapshots::replaceTable(std::vector<SnapshotEntry> entries) {
  const std::vector<std::byte> bytes = serialiseSnapshotTable(entries);
  if (bytes.size() > kMostSnapshotTableBytes) {
    co_return Error("the snapshot table would be too large").expected("64 MiB at most");
  }
  std::uint64_t offset = 0;
  if (!entries.empty()) {
    RHEA_CO_TRY(offset, co_await storeNew(image_, bytes));
  }
  const auto extentOf = [this](std::uint64_t at, std::uint64_t length) {
    return Extent(at, image_.geometry.clustersFor(length) << image_.geometry.clusterBits);
  };
  // Counts and flags first: from the header's change on they are relied on.
  Result<void> turned = co_await image_.writeBack.commitAll();
  if (turned.ok()) {
    std::vector<std::byte> fields(12);
    put<std::uint32_t>(fields, 0, static_cast<std::uint32_t>(entries.size()));
    put<std::uint64_t>(fields, 4, offset);
    turned = co_await image_.patchHeader(kAtSnapshotCount, std::move(fields));
  }
  if (!turned.ok()) {
    if (offset != 0) image_.allocator.giveBack(FreedSpace(extentOf(offset, bytes.size()), FreeReason::kOther));
    co_return turned;
  }
  if (tableBytes_ != 0) {
    image_.allocator.giveBack(FreedSpace(extentOf(image_.header.snapshotsOffset, tableBytes_), FreeReason::kOther));
  }
  image_.header.snapshotCount = static_cast<std::uint32_t>(entries.size());
  image_.header.snapshotsOffset = offset;
  entries_ = std::move(entries);
  tableBytes_ = bytes.size();
  co_await noteTables();
  co_return success();
}

Task<Result<void>> Snapshots::show(std::string which) {
  RHEA_CO_CHECK(co_await load());
  RHEA_CO_TRY(const std::size_t index, find(which));
  const SnapshotEntry entry = entries_[index];
  RHEA_CO_CHECK(checkSnapshot(entry, image_.header, image_.file.length()));
  std::vector<std::byte> table(std::size_t{entry.l1Entries} * 8);
  const IoVector into{std::span<std::byte>(table)};
  if (!table.empty()) RHEA_CO_CHECK(co_await image_.file.read(Extent(entry.l1Offset, table.size()), into));
  std::vector<std::uint64_t> words(entry.l1Entries);
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = get<std::uint64_t>(table, i * 8);
  image_.mapping.useL1(std::move(words));
  if (entry.diskBytes != 0) image_.setLength(entry.diskBytes);
  co_return success();
}

Task<Result<void>> Snapshots::revert(std::string which) {
  RHEA_CO_CHECK(co_await ready());
  RHEA_CO_TRY(const std::size_t index, find(which));
  SnapshotEntry entry = entries_[index];
  RHEA_CO_CHECK(checkSnapshot(entry, image_.header, image_.file.length()));
  if (image_.watcher != nullptr) {
    // Everything may be different from now on.
    RHEA_CO_CHECK(co_await image_.watcher->note(Extent(0, image_.length())));
    if (entry.diskBytes != image_.length()) RHEA_CO_CHECK(co_await image_.watcher->resizing(entry.diskBytes));
  }
  Task<Result<void>> work = revertMarked(std::move(entry));
  co_return co_await marked(std::move(work));
}

Task<Result<void>> Snapshots::revertMarked(SnapshotEntry to) {
  RHEA_CO_TRY(L1Table l1, co_await readL1(image_, to.l1Offset, to.l1Entries));
  for (std::uint64_t& word : l1) word &= ~kCopied;
  const L1Table before = image_.mapping.l1();
  RHEA_CO_CHECK(co_await raiseReach(image_, l1));
  const Result<void> turned = co_await useL1(l1, to.diskBytes);
  if (!turned.ok()) {
    RHEA_CO_CHECK(co_await lowerReach(image_, std::move(l1)));
    co_return turned;
  }
  RHEA_CO_CHECK(co_await lowerReach(image_, before));
  co_return co_await refreshFlags(image_);
}

// The tables of a snapshot may carry flags from before it was one, so they must not be written through until these are
// refreshed; nothing is, because the image is quiet.
Task<Result<void>> Snapshots::useL1(L1Table l1, std::uint64_t diskBytes) {
  Header& header = image_.header;
  const Geometry& geometry = image_.geometry;
  RHEA_CO_TRY(const std::uint64_t offset, co_await storeNew(image_, bytesOfL1(l1)));
  const auto extentOf = [&geometry](std::uint64_t at, std::uint64_t entries) {
    return Extent(at, geometry.clustersFor(entries * 8) << geometry.clusterBits);
  };
  Result<void> turned = co_await image_.writeBack.commitAll();
  if (turned.ok()) {
    // Size, encryption, entries and place of the table: neighbours in one sector.
    std::vector<std::byte> fields(24);
    put<std::uint64_t>(fields, 0, diskBytes);
    put<std::uint32_t>(fields, 12, static_cast<std::uint32_t>(l1.size()));
    put<std::uint64_t>(fields, 16, offset);
    turned = co_await image_.patchHeader(kAtSize, std::move(fields));
  }
  if (!turned.ok()) {
    image_.allocator.giveBack(FreedSpace(extentOf(offset, l1.size()), FreeReason::kOther));
    co_return turned;
  }
  if (header.l1Entries != 0) {
    image_.allocator.giveBack(FreedSpace(extentOf(header.l1Offset, header.l1Entries), FreeReason::kOther));
  }
  header.l1Offset = offset;
  header.l1Entries = static_cast<std::uint32_t>(l1.size());
  header.size = diskBytes;
  image_.setLength(diskBytes);
  image_.mapping.forgetChanges();
  image_.mapping.useL1(std::move(l1));
  co_return success();
}

Task<Result<void>> Snapshots::remove(std::string which) {
  RHEA_CO_CHECK(co_await ready());
  RHEA_CO_TRY(const std::size_t index, find(which));
  Task<Result<void>> work = removeMarked(index);
  co_return co_await marked(std::move(work));
}

Task<Result<void>> Snapshots::removeMarked(std::size_t index) {
  const SnapshotEntry gone = entries_[index];
  RHEA_CO_CHECK(checkSnapshot(gone, image_.header, image_.file.length()));
  RHEA_CO_TRY(L1Table l1, co_await readL1(image_, gone.l1Offset, gone.l1Entries));
  std::vector<SnapshotEntry> entries = entries_;
  entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(index));
  RHEA_CO_CHECK(co_await replaceTable(std::move(entries)));
  const std::uint64_t bytes = image_.geometry.clustersFor(l1.size() * 8) << image_.geometry.clusterBits;
  if (bytes != 0) image_.allocator.giveBack(FreedSpace(Extent(gone.l1Offset, bytes), FreeReason::kSnapshot));
  RHEA_CO_CHECK(co_await lowerReach(image_, std::move(l1)));
  co_return co_await refreshFlags(image_);
}

Task<Result<void>> Snapshots::readState(Extent at, IoVector to) {
  const std::uint64_t start = stateStart();
  const std::uint64_t end = image_.mapping.l1().size() * image_.geometry.l2Reach();
  if (end <= start || at.length > end - start || at.offset > end - start - at.length) {
    co_return Error::fromErrno(EINVAL, fmt::format("the machine's state ends before {}", at.offset + at.length));
  }
  co_return co_await image_.reader.read(Extent(start + at.offset, at.length), to);
}

Task<Result<void>> Snapshots::writeState(Extent at, IoVector from) {
  RHEA_CO_CHECK(co_await ready());
  const std::uint64_t start = stateStart();
  if (!Extent(start, at.offset).representable() || !Extent(start + at.offset, at.length).representable()) {
    co_return Error::fromErrno(EFBIG);
  }
  const Extent place(start + at.offset, at.length);
  RHEA_CO_CHECK(co_await growL1(image_, image_.geometry.l1EntriesFor(place.end())));
  co_return co_await image_.writer.write(place, from, WriteFlags());
}

}  // namespace rhea::block::qcow2
