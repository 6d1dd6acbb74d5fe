// Image abilities: what formats can do that keep more than a disk's bytes. Base classes of a driver like those of
// abilities.h, asked for by Node::ability(), used by the tools, jobs and commands.
//
// All run on the node's home loop. They may run beside requests unless they say otherwise. Progress is in bytes or
// clusters, whatever the driver counts; it only has to reach its total.
#pragma once

#include "block/core/extent.h"
#include "block/core/io-vector.h"
#include "block/core/node-options.h"
#include "emu/base/base.h"
#include "emu/io/cancel.h"
#include "emu/io/task.h"

namespace rhea::block {

// Of a long operation, for its job or its progress bar; thread-safe.
class Progress {
 public:
  void set(std::uint64_t done, std::uint64_t total) {
    total_.store(total, std::memory_order_relaxed);
    done_.store(done, std::memory_order_relaxed);
  }
  std::uint64_t done() const { return done_.load(std::memory_order_relaxed); }
  std::uint64_t total() const { return total_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> done_{0};
  std::atomic<std::uint64_t> total_{0};
};

// What a check may mend.
struct CheckWish {
  bool repairLeaks = false;
  bool repairErrors = false;  // everything that can be mended without losing what can be read now
};

struct CheckReport {
  std::uint64_t corruptions = 0;  // left; data are or will be lost
  std::uint64_t leaks = 0;        // clusters that nobody uses; left
  std::uint64_t checkErrors = 0;  // what could not be looked at
  std::uint64_t corruptionsFixed = 0;
  std::uint64_t leaksFixed = 0;
  std::uint64_t imageEndOffset = 0;  // bytes; behind the last cluster in use
  std::uint64_t totalClusters = 0;   // of the disk as the guest sees it
  std::uint64_t allocatedClusters = 0;
  std::uint64_t fragmentedClusters = 0;
  std::uint64_t compressedClusters = 0;
  std::vector<std::string> findings;  // one sentence each, the first thousand
};

class ImageChecker {
 public:
  virtual ~ImageChecker() = default;
  // With a wish to repair, the node must be writable and quiet. Error: the check itself could not be done.
  virtual Task<Result<CheckReport>> check(CheckWish wish, Progress& progress, CancelToken cancel) = 0;
};

struct SnapshotInfo {
  std::string id;    // "1"; given by the driver
  std::string name;  // by the user
  std::uint64_t vmStateBytes = 0;
  std::uint64_t diskBytes = 0;  // the disk's length when it was taken
  std::int64_t dateSeconds = 0;
  std::uint32_t dateNanoseconds = 0;
  std::uint64_t vmClock = 0;  // ns of virtual time
  std::optional<std::uint64_t> instructions;
};

// Snapshots inside the image. `which` is an id or a name; where both exist the id is meant. The node is drained.
class SnapshotAble {
 public:
  virtual ~SnapshotAble() = default;
  virtual Task<Result<std::vector<SnapshotInfo>>> snapshots() = 0;
  virtual Task<Result<void>> createSnapshot(SnapshotInfo info) = 0;
  // Puts the disk's content back. Error: no such snapshot; the disk is as before.
  virtual Task<Result<void>> revertToSnapshot(std::string which) = 0;
  virtual Task<Result<void>> deleteSnapshot(std::string which) = 0;
  // Of a machine's state beside the disk; offset 0 is its first byte. What was never written is an error to read.
  virtual Task<Result<void>> readVmState(Extent at, IoVector to) = 0;
  virtual Task<Result<void>> writeVmState(Extent at, IoVector from) = 0;
};

struct BitmapInfo {
  std::string name;
  std::uint32_t granularity = 0;  // bytes, a power of two
  bool recording = true;
  bool inconsistent = false;  // its bits cannot be trusted
  std::uint64_t dirtyBytes = 0;
};

// Dirty bitmaps that the image keeps. Errors: no such bitmap (names those that exist), its name is taken, it is
// inconsistent.
class BitmapKeeper {
 public:
  virtual ~BitmapKeeper() = default;
  virtual Task<Result<std::vector<BitmapInfo>>> bitmaps() = 0;
  virtual Task<Result<void>> addBitmap(BitmapInfo info) = 0;
  virtual Task<Result<void>> removeBitmap(std::string name) = 0;
  virtual Task<Result<void>> clearBitmap(std::string name) = 0;
  virtual Task<Result<void>> setBitmapRecording(std::string name, bool recording) = 0;
  // The dirty ranges at or behind `from`, in bytes of the disk, at most some thousand; empty: no more.
  virtual Task<Result<std::vector<Extent>>> dirtyRanges(std::string name, std::uint64_t from) = 0;
  virtual Task<Result<void>> markDirty(std::string name, std::vector<Extent> ranges) = 0;
};

class Amender {
 public:
  virtual ~Amender() = default;
  // `options`: the driver's create struct, of which the members given are to be so from now on. Error: names the first
  // that cannot change; nothing has changed.
  virtual Task<Result<void>> amend(DriverOptions options, Progress& progress, CancelToken cancel) = 0;
};

class CompressedWriter {
 public:
  virtual ~CompressedWriter() = default;
  // One whole cluster, or what is left of the disk in its last one; stored as it is where compressing does not help.
  virtual Task<Result<void>> writeCompressed(Extent at, IoVector from) = 0;
  virtual std::uint64_t compressedUnit() const = 0;  // bytes: the cluster
};

// Says in the image which file stands behind it; the graph is not changed.
class BackingKeeper {
 public:
  virtual ~BackingKeeper() = default;
  // file empty: none. Error: no room for the name.
  virtual Task<Result<void>> setBacking(std::string file, std::string format) = 0;
};

struct ImageSizes {
  std::uint64_t required = 0;        // bytes of the file for the present content
  std::uint64_t fullyAllocated = 0;  // when every byte of the disk has been written
  std::optional<std::uint64_t> bitmaps;
};

}  // namespace rhea::block
