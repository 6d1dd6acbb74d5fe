// Refcounts: how many users each cluster of the image file has.
//
// Rules that keep the image usable at any moment (docs/design/qcow2.md): a count is raised before anything points to
// the cluster, and lowered when nothing on stable storage does so any more. So counts are never too low on disk, and at
// worst too high (a leak).
#pragma once

#include <set>
#include <unordered_set>

#include "block/driver/qcow2/table-cache.h"

namespace rhea::block::qcow2 {

struct Image;

// Of clusters of the file, by index.
struct ClusterRun {
  ClusterRun() = default;
  ClusterRun(std::uint64_t firstCluster, std::uint64_t clusters) : first(firstCluster), count(clusters) {}
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  std::uint64_t end() const { return first + count; }
};

class Refcounts {
 public:
  explicit Refcounts(Image& image) : image_(image) {}

  // Reads the refcount table; what is called below does so when it must.
  Task<Result<void>> load();
  // Forgets the table and what is in memory of the blocks; they were made anew on disk.
  void reload();

  Task<Result<std::uint64_t>> of(std::uint64_t cluster);
  // One more, or one fewer, user of each. Errors: of the file; EIO for a count that cannot be, which is told as damage.
  Task<Result<void>> raise(ClusterRun run);
  Task<Result<void>> lower(ClusterRun run);

  // The first free clusters at or behind `from`, at least one and at most `most` in a row; they have one user now.
  // Error: ENOSPC where the format's limits end.
  Task<Result<ClusterRun>> takeFree(std::uint64_t from, std::uint64_t most);
  // Exactly `count` in a row.
  Task<Result<ClusterRun>> takeFreeRow(std::uint64_t from, std::uint64_t count);

  const std::vector<std::uint64_t>& table() const { return table_; }  // offsets of blocks, 0: none
  bool isBlock(std::uint64_t offset) const { return blocks_.contains(offset); }

  // --- For the write-back: sectors of the refcount table that were changed, as on disk.
  bool hasTableChanges() const { return !dirty_.empty(); }
  std::vector<TableCache::Copy> takeTableChanges();
  void giveBackTable(const std::vector<TableCache::Copy>& sectors);

 private:
  // The slice with the count of `cluster`; empty where there is no block, and so no user.
  Task<Result<TableCache::Hold>> sliceOf(std::uint64_t cluster);
  std::uint64_t entriesPerSlice() const;
  Task<Result<void>> makeBlock(std::uint64_t index);
  Task<Result<void>> growTable(std::uint64_t index);
  Task<Result<void>> change(ClusterRun run, bool up);
  std::uint64_t countFree(const TableCache::Hold& slice, std::uint64_t from, std::uint64_t most) const;

  Image& image_;
  bool loaded_ = false;
  std::vector<std::uint64_t> table_;
  std::unordered_set<std::uint64_t> blocks_;
  std::set<std::uint64_t> dirty_;  // sectors of the table, by index
  Mutex making_;
};

}  // namespace rhea::block::qcow2
