// Scan: one look at the whole metadata of an image. It counts who uses each cluster, holds that against the refcounts
// on disk and the "refcount is one" flags, and tells what is wrong. It changes nothing; checker.h does.
//
// Memory: one word per cluster that is used (cluster-counts.h), tables one cluster at a time, and the refcount table.
// Time: each structure of the file is read once or twice, however often it is pointed to.
#pragma once

#include "block/core/child.h"
#include "block/core/image.h"
#include "block/driver/qcow2/cluster-counts.h"
#include "block/driver/qcow2/cluster-entry.h"
#include "block/driver/qcow2/header.h"

namespace rhea::block::qcow2 {

// An entry of an L2 table for who checks it. Reserved bits and problems of the view do not keep it from being followed
// as far as it can be: the scan tells of each by itself.
struct ScannedEntry {
  // `external`: as for ClusterView.
  ScannedEntry(std::span<const std::byte> table, std::uint64_t index, const Geometry& geometry, bool external)
      : raw(entryAt(table, index * geometry.l2EntryBytes(), geometry)), view(raw, geometry, external) {}
  ClusterEntry raw;
  ClusterView view;
};

class Scan {
 public:
  // With the refcount structures the scan counts them as users, too, and compares; without, only what they should
  // count: to make them anew.
  enum class Refcounts : std::uint8_t { kCompare, kIgnore };

  // `file` and `progress` outlive the scan.
  Scan(Child& file, Header header, Progress& progress, CancelToken cancel);

  // Error: the scan could not be done (memory, cancelled, the first cluster). What could not be read is counted.
  Task<Result<void>> run(Refcounts refcounts);

  // --- What was found.
  const CheckReport& report() const { return report_; }
  const ClusterCounts& counts() const { return counts_; }
  const Header& header() const { return header_; }
  // Words of the refcount table, 0 for those that cannot be followed.
  const std::vector<std::uint64_t>& refcountTable() const { return refcountTable_; }
  // Something that points to clusters cannot be followed: what looks unused may be in use.
  bool isIncomplete() const { return incomplete_ || report_.checkErrors != 0; }
  // Something points behind the end of the file: it was cut short. If it grew again, zeroes would be found there where
  // now is an error.
  bool isCutShort() const { return cutShort_; }
  // The refcount blocks themselves are not where they can be trusted; they must be made anew.
  bool mustRebuild() const { return mustRebuild_; }
  bool isClean() const { return report_.corruptions == 0 && report_.leaks == 0 && report_.checkErrors == 0; }
  // How the flag of an entry that leads to `cluster` must be.
  bool isCopied(std::uint64_t cluster) const { return counts_.count(cluster) == 1; }
  // The table of this cluster can be written without changing anything else.
  bool mayWriteL2(std::uint64_t offset) const {
    const std::uint64_t cluster = offset >> header_.clusterBits;
    return offset != 0 && counts_.isUsed(cluster) && !counts_.isCrossed(cluster);
  }
  // A word of an L1 table that can be followed.
  bool isL2Place(std::uint64_t offset) const;
  // Clusters that are compared with the refcounts: those of the file, and those used behind its end.
  std::uint64_t endCluster() const { return std::max(counts_.end(), geometry_.clustersFor(fileLength_)); }

 private:
  Task<Result<void>> countTables();
  Task<Result<void>> countL1(std::string_view who, std::uint64_t offset, std::uint32_t entries);
  Task<Result<void>> countSnapshots();
  Task<Result<void>> countUnusableL1(std::uint64_t offset, std::uint32_t entries);
  Task<Result<void>> countBitmaps();
  Task<Result<void>> countL2Tables();
  Result<void> countL2Entry(const ScannedEntry& entry, std::uint64_t table, std::uint64_t index);
  Task<Result<void>> countRefcounts();
  Task<Result<void>> compareRefcounts();
  Task<Result<void>> compareBlock(std::uint64_t first, std::uint64_t blockOffset);
  void compare(std::uint64_t cluster, std::uint64_t onDisk);
  Task<Result<void>> lookAtActive();
  void lookAtActiveTable(std::span<const std::byte> table, std::uint64_t offset, std::uint64_t guest);

  // Counts the clusters of a range for one user; outside of the file it is a corruption instead.
  Result<void> use(std::uint64_t offset, std::uint64_t bytes, std::uint64_t times, ClusterUse how,
                   const std::function<std::string()>& who);
  // Reads into scratch_; false: it cannot be read, which is counted.
  Task<bool> readScratch(std::uint64_t offset, std::uint64_t bytes, std::string what);
  void corruption(std::string text);
  void leak(std::string text);
  void checkError(std::string text);
  void note(std::string text);
  Result<void> step(std::uint64_t done);

  Child& file_;
  Header header_;
  Geometry geometry_;
  Progress& progress_;
  CancelToken cancel_;
  std::uint64_t fileLength_ = 0;
  CheckReport report_;
  ClusterCounts counts_;
  std::vector<std::uint64_t> refcountTable_;
  std::vector<std::byte> scratch_;
  std::uint64_t highestInUse_ = 0;     // behind the last cluster that is used or counted on disk
  std::uint64_t doubtfulL1Bytes_ = 0;  // of L1 tables that nobody can rely on, as far as they were followed
  bool incomplete_ = false;
  bool cutShort_ = false;
  bool mustRebuild_ = false;
};

}  // namespace rhea::block::qcow2
