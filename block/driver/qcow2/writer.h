// Writer: changes of the disk's content.
//
// In place where a cluster is the image's own and stored. Otherwise a cluster is allocated, written with what was there
// before around the new data (one request), and only then its L2 entry changes, in memory. Requests on different
// clusters do not wait for each other; those on a cluster whose entry is about to change do (busy-clusters.h).
#pragma once

#include "block/core/io-vector.h"
#include "block/core/write-flags.h"
#include "block/driver/qcow2/allocator.h"
#include "block/driver/qcow2/busy-clusters.h"
#include "block/driver/qcow2/mapping.h"
#include "block/driver/qcow2/segment.h"

namespace rhea::block::qcow2 {

class Writer {
 public:
  explicit Writer(Image& image) : image_(image) {}

  // Also behind the disk's end, as Reader::read. Stable: data and all metadata that it needs.
  Task<Result<void>> write(Extent at, IoVector from, WriteFlags how);
  // Aligned to subclusters; the disk's end counts as aligned. Error: EOPNOTSUPP where the version has no zero clusters.
  Task<Result<void>> writeZeroes(Extent at, WriteFlags how);
  // Aligned to clusters; reads as zeroes afterwards (version 3) or is unchanged.
  Task<Result<void>> discard(Extent at);
  // As if nothing had ever been written: shows what is behind. For the disk's end that is cut off.
  Task<Result<void>> forget(Extent at);
  // See CompressedWriter.
  Task<Result<void>> writeCompressed(Extent at, IoVector from);
  // Gives every cluster of the range a place, as if zeroes had been written (preallocation).
  Task<Result<void>> allocate(Extent at);

 private:
  enum class Clearing : std::uint8_t { kZeroKeeping, kZeroFreeing, kDiscard, kForget };
  // Clusters of the disk in a row that get a place in the file together.
  struct Run {
    TableCache::Hold slice;
    std::uint64_t first = 0;  // cluster of the disk
    std::uint64_t count = 0;
    ClusterView firstView;
    ClusterView lastView;
    bool own = false;        // the cluster has a place already that may be written to; count is 1
    std::uint64_t host = 0;  // of the first cluster
    bool virgin = false;     // the new place reads as zeroes
    const char* problem = nullptr;
  };

  Task<Result<void>> prepare(Extent at);
  // Both give how many bytes from the start of `at` they did.
  Task<Result<std::uint64_t>> writePart(Extent at, IoVector from, WriteFlags how, bool& mustCommit);
  Task<Result<std::uint64_t>> clearPart(Extent at, Clearing how);
  Task<Result<std::uint64_t>> writeAllocating(Run& run, Extent at, IoVector from);
  Task<Result<void>> writeMerged(Run& run, Extent at, IoVector from);
  Task<Result<void>> place(Run& run);
  void link(Run& run, Extent written);
  Run runAt(TableCache::Hold slice, Extent at, std::uint64_t endCluster) const;
  void giveBackOld(const ClusterView& view, std::uint64_t word, FreeReason why);
  ClusterView viewOf(const TableCache::Hold& slice, std::uint64_t guest) const;
  Result<bool> clearCluster(const TableCache::Hold& slice, Extent part, Clearing how);
  Task<Result<void>> clear(Extent at, Clearing how);
  bool readsAsZero(const ClusterView& view, Extent part) const;
  Task<Result<void>> checkTarget(Extent host);

  Image& image_;
};

}  // namespace rhea::block::qcow2
