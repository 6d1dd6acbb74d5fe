#include "block/driver/qcow2/scan.h"

#include <cerrno>

#include "block/driver/qcow2/bitmap-directory.h"
#include "block/driver/qcow2/snapshot-table.h"

namespace rhea::block::qcow2 {

namespace {
constexpr std::size_t kMostFindings = 1000;
}

Scan::Scan(Child& file, Header header, Progress& progress, CancelToken cancel)
    : file_(file),
      header_(std::move(header)),
      geometry_(header_.geometry()),
      progress_(progress),
      cancel_(std::move(cancel)),
      fileLength_(file.length()) {}

void Scan::note(std::string text) {
  if (report_.findings.size() < kMostFindings) report_.findings.push_back(std::move(text));
}

void Scan::corruption(std::string text) {
  ++report_.corruptions;
  note("ERROR " + std::move(text));
}

void Scan::leak(std::string text) {
  ++report_.leaks;
  note(std::move(text));
}

void Scan::checkError(std::string text) {
  ++report_.checkErrors;
  note("ERROR " + std::move(text));
}

Result<void> Scan::step(std::uint64_t done) {
  progress_.set(std::min(done, fileLength_), std::max<std::uint64_t>(fileLength_, 1));
  return cancel_.check();
}

Task<bool> Scan::readScratch(std::uint64_t offset, std::uint64_t bytes, std::string what) {
  scratch_.resize(static_cast<std::size_t>(bytes));
  const auto read = co_await file_.read(Extent(offset, bytes), IoVector(std::span(scratch_)));
  if (!read.ok()) checkError(fmt::format("{} at {} cannot be read: {}", what, offset, read.error().message()));
  co_return read.ok();
}

Result<void> Scan::use(std::uint64_t offset, std::uint64_t bytes, std::uint64_t times, ClusterUse how,
                       const std::function<std::string()>& who) {
  if (bytes == 0) return success();
  // The last cluster of a file may be there in part.
  const std::uint64_t end = offset + bytes;
  if (end < offset || end > kMostHostOffset || end > alignUp<std::uint64_t>(fileLength_, header_.clusterSize())) {
    cutShort_ = true;
    corruption(
        fmt::format("{} refers to {} bytes at {}, behind the end of the file ({})", who(), bytes, offset, fileLength_));
    return success();
  }
  for (std::uint64_t cluster = offset >> header_.clusterBits; cluster <= (end - 1) >> header_.clusterBits; ++cluster) {
    const std::uint64_t before = counts_.crossings();
    if (!counts_.add(cluster, times, how)) {
      return Error("the image's clusters are too scattered to be counted in memory")
          .hint("convert it to a new image, which reads only what can be read");
    }
    if (counts_.crossings() != before) {
      corruption(fmt::format("{} refers to the cluster at {}, which is used for something else as well", who(),
                             cluster << header_.clusterBits));
    }
  }
  return success();
}

Task<Result<void>> Scan::run(Refcounts refcounts) {
  report_.totalClusters = geometry_.clustersFor(header_.size);
  RHEA_CO_CHECK(co_await countTables());
  if (refcounts == Refcounts::kCompare) RHEA_CO_CHECK(co_await countRefcounts());
  RHEA_CO_CHECK(co_await countL2Tables());
  if (refcounts == Refcounts::kCompare) {
    RHEA_CO_CHECK(co_await compareRefcounts());
    RHEA_CO_CHECK(co_await lookAtActive());
  }
  report_.imageEndOffset = highestInUse_ << header_.clusterBits;
  progress_.set(1, 1);
  co_return success();
}

// Everything that is not found by following L2 tables or refcounts.
Task<Result<void>> Scan::countTables() {
  const std::function<std::string()> headerName = [] { return std::string("the header"); };
  // A first cluster that is there in part has room for a header all the same.
  if (!counts_.add(0, 1, ClusterUse::kOwn)) co_return Error::fromErrno(ENOMEM);
  RHEA_CO_CHECK(co_await countL1("the disk", header_.l1Offset, header_.l1Entries));
  RHEA_CO_CHECK(co_await countSnapshots());
  co_return co_await countBitmaps();
}

bool Scan::isL2Place(std::uint64_t offset) const {
  return offset != 0 && geometry_.isAligned(offset) && offset < fileLength_;
}

Task<Result<void>> Scan::countL1(std::string_view who, std::uint64_t offset, std::uint32_t entries) {
  const std::uint64_t bytes = std::uint64_t{entries} * 8;
  if (bytes == 0) co_return success();
  const std::string owner(who);
  const std::function<std::string()> name = [&owner] { return "the L1 table of " + owner; };
  if (offset > fileLength_ || bytes > fileLength_ - offset) {
    corruption(
        fmt::format("{} (at {}, {} bytes) lies behind the end of the file ({})", name(), offset, bytes, fileLength_));
    incomplete_ = true;
    cutShort_ = true;
    co_return success();
  }
  const std::uint64_t crossings = counts_.crossings();
  RHEA_CO_CHECK(use(offset, bytes, 1, ClusterUse::kOwn, name));
  // It lies on another table. It is followed all the same, so that nothing is mended which somebody reads through it;
  // not without an end, for images that were made so.
  if (counts_.crossings() != crossings || counts_.isCrossed(offset >> header_.clusterBits)) {
    incomplete_ = true;
    doubtfulL1Bytes_ += bytes;
    if (doubtfulL1Bytes_ > fileLength_) co_return success();
  }
  // Tables are up to 32 MiB; a part at a time.
  constexpr std::uint64_t kPart = 1U << 20U;
  for (std::uint64_t done = 0; done < bytes; done += kPart) {
    RHEA_CO_CHECK(step(0));
    const std::uint64_t part = std::min(kPart, bytes - done);
    if (!co_await readScratch(offset + done, part, name())) continue;
    for (std::uint64_t i = 0; i < part / 8; ++i) {
      const auto word = get<std::uint64_t>(scratch_, static_cast<std::size_t>(i) * 8);
      const std::uint64_t table = word & kOffsetMask;
      const std::uint64_t index = done / 8 + i;
      if ((word & kL1Reserved) != 0) {
        corruption(fmt::format("entry {} of {} has reserved bits set: {:#x}", index, name(), word));
      }
      if (table == 0) continue;
      if (!isL2Place(table)) {
        corruption(fmt::format("entry {} of {} is {:#x}, which is no place of an L2 table", index, name(), word));
        incomplete_ = true;
        cutShort_ = cutShort_ || table >= fileLength_;
        continue;
      }
      const std::function<std::string()> entry = [&] { return fmt::format("entry {} of {}", index, name()); };
      RHEA_CO_CHECK(use(table, header_.clusterSize(), 1, ClusterUse::kL2, entry));
    }
  }
  co_return success();
}

// What of it is in the file leads to clusters that whoever mends the entry finds again. What else is wrong with it goes
// without saying.
Task<Result<void>> Scan::countUnusableL1(std::uint64_t offset, std::uint32_t entries) {
  const std::uint64_t there = offset < fileLength_ ? (fileLength_ - offset) / 8 : 0;
  const std::uint64_t most = std::min<std::uint64_t>({entries, there, kMostL1Bytes / 8});
  const auto corruptions = report_.corruptions;
  const std::size_t findings = report_.findings.size();
  Result<void> counted = co_await countL1("a snapshot", offset, static_cast<std::uint32_t>(most));
  report_.corruptions = corruptions;
  report_.findings.resize(findings);
  co_return counted;
}

Task<Result<void>> Scan::countSnapshots() {
  if (header_.snapshotCount == 0) co_return success();
  auto table = co_await readSnapshotTable(file_, header_);
  if (!table.ok()) {
    corruption(fmt::format("the snapshot table cannot be used: {}", table.error().message()));
    incomplete_ = true;
    cutShort_ = cutShort_ || table.error().code() == ENODATA;
    RHEA_CO_TRY(const std::vector<SnapshotL1> named, co_await findSnapshotL1s(file_, header_));
    for (const SnapshotL1& l1 : named) RHEA_CO_CHECK(co_await countUnusableL1(l1.offset, l1.entries));
    co_return success();
  }
  const std::function<std::string()> name = [] { return std::string("the snapshot table"); };
  RHEA_CO_CHECK(use(header_.snapshotsOffset, table->bytes, 1, ClusterUse::kOwn, name));
  for (const SnapshotEntry& entry : table->entries) {
    if (auto usable = checkSnapshot(entry, header_, fileLength_); !usable.ok()) {
      corruption(usable.error().message());
      incomplete_ = true;
      cutShort_ = cutShort_ || entry.l1Offset + std::uint64_t{entry.l1Entries} * 8 > fileLength_;
      RHEA_CO_CHECK(co_await countUnusableL1(entry.l1Offset, entry.l1Entries));
      continue;
    }
    const std::string who = fmt::format("snapshot '{}' ({})", entry.id, entry.name);
    RHEA_CO_CHECK(co_await countL1(who, entry.l1Offset, entry.l1Entries));
  }
  co_return success();
}

Task<Result<void>> Scan::countBitmaps() {
  // Bitmaps that nobody may believe are leaks, as other programs see it.
  if (!header_.hasConsistentBitmaps()) co_return success();
  auto directory = co_await readBitmapDirectory(file_, header_);
  if (!directory.ok()) {
    corruption(fmt::format("the bitmaps cannot be used: {}", directory.error().message()));
    incomplete_ = true;
    cutShort_ = cutShort_ || header_.bitmaps->directoryOffset + header_.bitmaps->directoryBytes > fileLength_;
    co_return success();
  }
  const std::function<std::string()> name = [] { return std::string("the bitmap directory"); };
  RHEA_CO_CHECK(use(header_.bitmaps->directoryOffset, header_.bitmaps->directoryBytes, 1, ClusterUse::kOwn, name));
  for (const BitmapEntry& entry : *directory) {
    const std::function<std::string()> who = [&entry] { return fmt::format("bitmap '{}'", entry.name); };
    const std::uint64_t crossings = counts_.crossings();
    RHEA_CO_CHECK(use(entry.tableOffset, std::uint64_t{entry.tableEntries} * 8, 1, ClusterUse::kOwn, who));
    // Tables that lie on one another could make this endless.
    if (counts_.crossings() != crossings || counts_.isCrossed(entry.tableOffset >> header_.clusterBits)) {
      incomplete_ = true;
      continue;
    }
    RHEA_CO_CHECK(step(0));
    auto table = co_await readBitmapTable(file_, header_, entry);
    if (!table.ok()) {
      corruption(table.error().message());
      incomplete_ = true;
      cutShort_ = true;  // perhaps: it leads somewhere
      continue;
    }
    for (const std::uint64_t word : *table) {
      const std::uint64_t offset = word & kOffsetMask;
      if (offset != 0) RHEA_CO_CHECK(use(offset, header_.clusterSize(), 1, ClusterUse::kOwn, who));
    }
  }
  co_return success();
}

// Each table once, for all that point to it together: a table that a thousand snapshots share is read once.
Task<Result<void>> Scan::countL2Tables() {
  const std::uint64_t size = header_.clusterSize();
  for (auto cluster = counts_.next(0, ClusterUse::kL2); cluster;
       cluster = counts_.next(*cluster + 1, ClusterUse::kL2)) {
    const std::uint64_t offset = *cluster << header_.clusterBits;
    RHEA_CO_CHECK(step(offset));
    if (!co_await readScratch(offset, size, "the L2 table")) continue;
    for (std::uint64_t i = 0; i < geometry_.l2Entries(); ++i) {
      const ScannedEntry entry(scratch_, i, geometry_, header_.hasExternalData());
      if (entry.raw.word == 0 && entry.raw.bitmap == 0) continue;
      RHEA_CO_CHECK(countL2Entry(entry, offset, i));
    }
  }
  co_return success();
}

Result<void> Scan::countL2Entry(const ScannedEntry& entry, std::uint64_t table, std::uint64_t index) {
  const std::function<std::string()> who = [=] { return fmt::format("entry {} of the L2 table at {}", index, table); };
  const std::uint64_t times = counts_.count(table >> header_.clusterBits);
  const bool extended = header_.hasExtendedL2();
  if (entry.view.compressed) {
    if ((entry.raw.word & kCopied) != 0) corruption(fmt::format("{} is compressed and flagged as copied", who()));
    if (extended && entry.raw.bitmap != 0) corruption(fmt::format("{} is compressed and has subclusters", who()));
    if (header_.hasExternalData()) {
      corruption(fmt::format("{} is compressed, in an image with an external data file", who()));
      return success();
    }
    const CompressedPlace place = compressedPlace(entry.raw.word, geometry_);
    // Sectors of the file may be missing where the data end before: readers stop when they have a cluster.
    const std::uint64_t begin = alignDown<std::uint64_t>(place.offset, 512);
    const std::uint64_t clusterEnd = alignUp<std::uint64_t>(fileLength_, header_.clusterSize());
    if (place.offset < clusterEnd && place.end() > clusterEnd) {
      incomplete_ = true;
      cutShort_ = true;
      corruption(
          fmt::format("{}, compressed, ends at {}, behind the end of the file ({})", who(), place.end(), fileLength_));
      return use(begin, clusterEnd - begin, times, ClusterUse::kData, who);
    }
    return use(begin, place.end() - begin, times, ClusterUse::kData, who);
  }
  if ((entry.raw.word & kL2Reserved) != 0 || (extended && (entry.raw.word & kZeroFlag) != 0)) {
    corruption(fmt::format("{} has reserved bits set: {:#x}", who(), entry.raw.word));
  }
  if (extended && ((entry.raw.bitmap >> 32U) & entry.raw.bitmap & UINT32_MAX) != 0) {
    corruption(fmt::format("{} has subclusters that are data and zero at once", who()));
  }
  if (header_.version == 2 && (entry.raw.word & kZeroFlag) != 0) {
    corruption(fmt::format("{} is a zero cluster, which version 2 does not know", who()));
  }
  if (!entry.view.hasHost) {
    if ((entry.raw.bitmap & UINT32_MAX) != 0) corruption(fmt::format("{} has subclusters without a cluster", who()));
    if ((extended || (entry.raw.word & kZeroFlag) == 0) && (entry.raw.word & kCopied) != 0) {
      corruption(fmt::format("{} leads to the header", who()));
    }
    return success();
  }
  if (header_.hasExternalData()) return success();
  if (!geometry_.isAligned(entry.view.host)) {
    corruption(fmt::format("{} leads to {}, which is not aligned", who(), entry.view.host));
    incomplete_ = true;
    cutShort_ = cutShort_ || entry.view.host >= fileLength_;
    return success();
  }
  return use(entry.view.host, header_.clusterSize(), times, ClusterUse::kData, who);
}

}  // namespace rhea::block::qcow2
