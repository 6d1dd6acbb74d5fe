#include "block/driver/qcow2/checker.h"

#include "block/driver/qcow2/refcount-layout.h"

namespace rhea::block::qcow2 {

Task<Result<void>> Checker::scan(std::unique_ptr<Scan>& scan, Scan::Refcounts refcounts) {
  scan = std::make_unique<Scan>(file_, header_, progress_, cancel_);
  co_return co_await scan->run(refcounts);
}

Task<Result<CheckReport>> Checker::run(CheckWish wish) {
  std::unique_ptr<Scan> now;
  RHEA_CO_CHECK(co_await scan(now, Scan::Refcounts::kCompare));
  CheckReport found = now->report();
  if (!wish.repairErrors && !wish.repairLeaks) co_return found;
  if (found.corruptions != 0 || found.leaks != 0) {
    RHEA_CO_CHECK(co_await mend(now, wish));
    RHEA_CO_CHECK(co_await scan(now, Scan::Refcounts::kCompare));
  }
  CheckReport left = now->report();
  // What mending one thing uncovers is not counted as a thing that was mended less.
  left.corruptionsFixed = found.corruptions > left.corruptions ? found.corruptions - left.corruptions : 0;
  left.leaksFixed = found.leaks > left.leaks ? found.leaks - left.leaks : 0;
  // Those who read want to know what was there, and what is left.
  for (std::string& text : left.findings) text += " (left)";
  found.findings.insert(found.findings.end(), left.findings.begin(), left.findings.end());
  left.findings = std::move(found.findings);
  if (left.corruptions == 0 && left.checkErrors == 0) RHEA_CO_CHECK(co_await markClean());
  co_return left;
}

Task<Result<void>> Checker::mend(std::unique_ptr<Scan>& now, CheckWish wish) {
  if (wish.repairLeaks && !now->isIncomplete()) RHEA_CO_CHECK(co_await dropBitmaps());
  if (wish.repairErrors) {
    // Without all users known, counts made anew would be too low.
    if (now->mustRebuild() && !now->isCutShort() && !now->isIncomplete()) {
      RHEA_CO_CHECK(co_await rebuild());
      RHEA_CO_CHECK(co_await scan(now, Scan::Refcounts::kCompare));
    }
    RHEA_CO_CHECK(co_await fixFlags(*now, false));
    RHEA_CO_CHECK(co_await fixCounts(*now, Counts::kRaise));
    RHEA_CO_CHECK(co_await file_.flush(FlushTo::kStable));
  }
  // Where something cannot be followed, what seems unused may be what somebody wants to save.
  if (wish.repairLeaks && !now->isIncomplete()) RHEA_CO_CHECK(co_await fixCounts(*now, Counts::kLower));
  if (wish.repairErrors && !now->isIncomplete()) RHEA_CO_CHECK(co_await fixFlags(*now, true));
  co_return co_await file_.flush(FlushTo::kStable);
}

// Bitmaps that nobody may believe look like leaks; before their clusters are given to others, they must be forgotten.
Task<Result<void>> Checker::dropBitmaps() {
  if (!header_.bitmaps || header_.hasConsistentBitmaps()) co_return success();
  Header without = header_;
  without.bitmaps.reset();
  RHEA_CO_TRY(const std::vector<std::byte> bytes, without.serialise());
  RHEA_CO_CHECK(co_await writeField(0, bytes));
  RHEA_CO_CHECK(co_await file_.flush(FlushTo::kStable));
  header_ = std::move(without);
  co_return success();
}

Task<Result<void>> Checker::writeField(std::uint64_t at, std::span<const std::byte> bytes) {
  co_return co_await file_.write(Extent(at, bytes.size()), IoVector(bytes), WriteFlags());
}

Task<Result<void>> Checker::fixFlags(const Scan& scan, bool give) {
  const std::uint64_t bytes = std::uint64_t{header_.l1Entries} * 8;
  const std::uint64_t end = header_.l1Offset + bytes;
  if (bytes == 0 || end < bytes || end > file_.length()) co_return success();
  std::vector<std::byte> l1(static_cast<std::size_t>(bytes));
  RHEA_CO_CHECK(co_await file_.read(Extent(header_.l1Offset, bytes), IoVector(std::span(l1))));
  std::uint64_t before = 0;
  for (std::uint64_t i = 0; i < header_.l1Entries; ++i) {
    const auto at = static_cast<std::size_t>(i) * 8;
    const auto word = get<std::uint64_t>(l1, at);
    const std::uint64_t table = word & kOffsetMask;
    if (!scan.isL2Place(table)) continue;
    const bool copied = scan.isCopied(table >> header_.clusterBits);
    const std::uint64_t right = copied ? word | kCopied : word & ~kCopied;
    const bool mayWrite = !scan.counts().isCrossed((header_.l1Offset + at) >> header_.clusterBits);
    if (right != word && copied == give && mayWrite) {
      std::array<std::byte, 8> bytesOfWord{};
      put<std::uint64_t>(bytesOfWord, 0, right);
      RHEA_CO_CHECK(co_await writeField(header_.l1Offset + at, bytesOfWord));
    }
    if (table == before || !scan.mayWriteL2(table)) continue;
    before = table;
    RHEA_CO_CHECK(cancel_.check());
    RHEA_CO_CHECK(co_await fixTable(scan, table, give));
  }
  co_return success();
}

Task<Result<void>> Checker::fixTable(const Scan& scan, std::uint64_t offset, bool give) {
  std::vector<std::byte> table(static_cast<std::size_t>(header_.clusterSize()));
  const auto read = co_await file_.read(Extent(offset, table.size()), IoVector(std::span(table)));
  if (!read.ok()) co_return success();  // the scan has counted it
  const Geometry geometry = header_.geometry();
  std::uint64_t first = UINT64_MAX;
  std::uint64_t last = 0;
  for (std::uint64_t i = 0; i < geometry.l2Entries(); ++i) {
    const ScannedEntry entry(table, i, geometry, header_.hasExternalData());
    bool copied = false;
    if (entry.view.hasHost) {
      if (!geometry.isAligned(entry.view.host)) continue;
      copied = header_.hasExternalData() || scan.isCopied(entry.view.host >> header_.clusterBits);
    } else if (!entry.view.compressed) {
      continue;
    }
    const std::uint64_t right = copied ? entry.raw.word | kCopied : entry.raw.word & ~kCopied;
    if (right == entry.raw.word || copied != give) continue;
    put<std::uint64_t>(table, static_cast<std::size_t>(i * geometry.l2EntryBytes()), right);
    first = std::min(first, i);
    last = i;
  }
  if (first == UINT64_MAX) co_return success();
  const std::uint64_t from = first * geometry.l2EntryBytes();
  const std::uint64_t length = (last - first + 1) * geometry.l2EntryBytes();
  co_return co_await writeField(
      offset + from, std::span(table).subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(length)));
}

Task<Result<void>> Checker::fixCounts(const Scan& scan, Counts direction) {
  const Geometry geometry = header_.geometry();
  const std::uint64_t perBlock = geometry.refcountBlockEntries();
  std::vector<std::byte> block(static_cast<std::size_t>(header_.clusterSize()));
  for (std::uint64_t i = 0; i < scan.refcountTable().size(); ++i) {
    const std::uint64_t offset = scan.refcountTable()[static_cast<std::size_t>(i)];
    if (offset == 0 || scan.counts().isCrossed(offset >> header_.clusterBits)) continue;
    if (i * perBlock >= scan.endCluster()) break;
    RHEA_CO_CHECK(cancel_.check());
    const auto read = co_await file_.read(Extent(offset, block.size()), IoVector(std::span(block)));
    if (!read.ok()) continue;  // the scan has counted it
    bool changed = false;
    const std::uint64_t last = std::min((i + 1) * perBlock, scan.endCluster());
    for (std::uint64_t cluster = i * perBlock; cluster < last; ++cluster) {
      const std::uint64_t now = refcountAt(block, cluster - i * perBlock, header_.refcountOrder);
      const std::uint64_t counted = scan.counts().count(cluster);
      // A width that cannot hold the count holds the most that it can, which the next scan will tell.
      const std::uint64_t right = std::min(counted, geometry.mostRefcount());
      const bool wanted = direction == Counts::kRaise ? right > now : right < now;
      if (!wanted || (counted == ClusterCounts::kMostCount && now > counted)) continue;
      putRefcount(block, cluster - i * perBlock, header_.refcountOrder, right);
      changed = true;
    }
    if (changed) RHEA_CO_CHECK(co_await writeField(offset, block));
  }
  co_return success();
}

Task<Result<void>> Checker::rebuild() {
  std::unique_ptr<Scan> users;
  RHEA_CO_CHECK(co_await scan(users, Scan::Refcounts::kIgnore));
  const Geometry geometry = header_.geometry();
  const ClusterCounts& counts = users->counts();
  const std::uint64_t behind = std::max(file_.length(), counts.end() << header_.clusterBits);
  RHEA_CO_TRY(const RefcountLayout layout,
              RefcountLayout::plan(counts, alignUp<std::uint64_t>(behind, header_.clusterSize()), geometry));
  const std::uint64_t firstOwn = layout.start >> header_.clusterBits;
  const std::uint64_t perBlock = geometry.refcountBlockEntries();
  std::vector<std::byte> block(static_cast<std::size_t>(header_.clusterSize()));
  std::vector<std::byte> table(static_cast<std::size_t>(layout.tableClusters << header_.clusterBits));
  std::uint64_t at = layout.start + table.size();
  for (const std::uint64_t index : layout.blocks) {
    RHEA_CO_CHECK(cancel_.check());
    std::ranges::fill(block, std::byte{0});
    const std::uint64_t first = index * perBlock;
    for (auto cluster = counts.nextUsed(first); cluster && *cluster < first + perBlock;
         cluster = counts.nextUsed(*cluster + 1)) {
      const std::uint64_t right = std::min<std::uint64_t>(counts.count(*cluster), geometry.mostRefcount());
      putRefcount(block, *cluster - first, header_.refcountOrder, right);
    }
    const std::uint64_t ownEnd = std::min(firstOwn + layout.clusters(), first + perBlock);
    for (std::uint64_t cluster = std::max(firstOwn, first); cluster < ownEnd; ++cluster) {
      putRefcount(block, cluster - first, header_.refcountOrder, 1);
    }
    RHEA_CO_CHECK(co_await writeField(at, block));
    put<std::uint64_t>(table, static_cast<std::size_t>(index) * 8, at);
    at += header_.clusterSize();
  }
  RHEA_CO_CHECK(co_await writeField(layout.start, table));
  RHEA_CO_CHECK(co_await file_.flush(FlushTo::kStable));
  header_.refcountTableOffset = layout.start;
  header_.refcountTableClusters = static_cast<std::uint32_t>(layout.tableClusters);
  // Place, size and width in one sector, which is there as before or as it is to be.
  std::array<std::byte, kAtRefcountOrder + 4> fields{};
  const std::size_t end = header_.version >= 3 ? fields.size() : kHeaderBytesV2;
  RHEA_CO_CHECK(co_await file_.read(Extent(0, end), IoVector(std::span(fields).first(end))));
  put<std::uint64_t>(fields, kAtRefcountTable, header_.refcountTableOffset);
  put<std::uint32_t>(fields, kAtRefcountTableClusters, header_.refcountTableClusters);
  if (header_.version >= 3) put<std::uint32_t>(fields, kAtRefcountOrder, header_.refcountOrder);
  const auto changed = std::span<const std::byte>(fields).first(end).subspan(kAtRefcountTable);
  RHEA_CO_CHECK(co_await writeField(kAtRefcountTable, changed));
  co_return co_await file_.flush(FlushTo::kStable);
}

Task<Result<void>> Checker::remakeRefcounts(std::uint32_t order) {
  std::unique_ptr<Scan> now;
  RHEA_CO_CHECK(co_await scan(now, Scan::Refcounts::kCompare));
  if (now->report().corruptions != 0 || now->isIncomplete()) {
    co_return Error("the image is damaged").hint("repair it first (check -r all)");
  }
  const std::uint64_t most = Geometry(header_.clusterBits, order, header_.hasExtendedL2()).mostRefcount();
  for (auto cluster = now->counts().nextUsed(0); cluster; cluster = now->counts().nextUsed(*cluster + 1)) {
    if (now->counts().count(*cluster) > most) {
      co_return Error(fmt::format("a cluster has {} users, and refcounts of {} bits cannot count more than {}",
                                  now->counts().count(*cluster), 1U << order, most))
          .where("refcount-bits")
          .hint("delete snapshots, or choose a larger width");
    }
  }
  const Header before = header_;
  header_.refcountOrder = order;
  Result<void> made = co_await rebuild();
  if (!made.ok()) header_ = before;
  co_return made;
}

Task<Result<void>> Checker::markClean() {
  if (!header_.isDirty() && !header_.isCorrupt()) co_return success();
  RHEA_CO_CHECK(co_await file_.flush(FlushTo::kStable));
  header_.incompatible &= ~(kDirty | kCorrupt);
  std::array<std::byte, 8> bits{};
  put<std::uint64_t>(bits, 0, header_.incompatible);
  RHEA_CO_CHECK(co_await writeField(kAtIncompatible, bits));
  co_return co_await file_.flush(FlushTo::kStable);
}

}  // namespace rhea::block::qcow2
