// Allocator: gives clusters of the image file out, and takes them back when nobody can mean them any more.
#pragma once

#include "block/core/extent.h"
#include "block/driver/qcow2/refcounts.h"
#include "emu/io/sync.h"

namespace rhea::block::qcow2 {

// Why something fell free: decides whether the file's space is given back too (Settings).
enum class FreeReason : std::uint8_t { kRequest, kSnapshot, kOther };

struct FreedSpace {
  FreedSpace(Extent extent, FreeReason reason) : at(extent), why(reason) {}
  Extent at;  // whole clusters of the file, or a compressed cluster's bytes
  FreeReason why;
};

struct Allocation {
  std::uint64_t offset = 0;  // bytes, in the file
  std::uint64_t count = 0;   // clusters
  bool virgin = false;       // never used before, and so reads as zeroes
};

class Allocator {
 public:
  explicit Allocator(Image& image) : image_(image) {}

  // When the image begins to be written to.
  void begin(std::uint64_t fileLength);

  // Behind everything that was ever used, in bytes.
  std::uint64_t usedEnd() const { return virginFrom_; }
  // Something that this did not give out is used up to here.
  void noteUsed(std::uint64_t end) { virginFrom_ = std::max(virginFrom_, end); }
  // The file is longer than what is used of it while it is written to; before the image closes it is cut off there.
  Task<void> giveBackReserve();
  // 1 to `most` clusters in a row. Errors: ENOSPC; EIO where the image is damaged, which is told.
  Task<Result<Allocation>> take(std::uint64_t most);
  Task<Result<Allocation>> takeRow(std::uint64_t count);
  // Room for a compressed cluster, which needs no alignment: the offset in the file.
  Task<Result<std::uint64_t>> takeBytes(std::uint64_t bytes);

  // Its users are one fewer from here on, as far as memory knows. The file hears of it when that is on stable storage
  // and no request can still be on its way there.
  void giveBack(FreedSpace space);

  // --- For the write-back.
  std::size_t freedCount() const { return freed_.size(); }
  bool hasFreed() const { return !freed_.empty(); }
  std::vector<FreedSpace> takeFreed() { return std::exchange(freed_, {}); }
  void keepFreed(std::vector<FreedSpace> freed);
  // That nothing points to these is on stable storage.
  void released(std::vector<FreedSpace> freed);
  // Waits for what released() began.
  Task<void> settle() { return lowering_.join(); }
  bool isSettling() const { return lowering_.running() != 0; }

  // A cluster has no user: it may be given out again.
  void becameFree(std::uint64_t cluster);

 private:
  Task<void> waitAndLower(std::shared_ptr<std::vector<FreedSpace>> freed);
  Task<Result<void>> lowerOne(FreedSpace space);
  Result<Allocation> place(ClusterRun run);
  // Lets the file end some way behind `end`: a write that makes a file longer waits for all others of that file.
  Task<void> reserve(std::uint64_t end);
  Task<Result<void>> check(const Allocation& allocation);
  bool passesDiscard(FreeReason why) const;

  Image& image_;
  std::uint64_t hint_ = 0;          // no free cluster is below
  std::uint64_t virginFrom_ = 0;    // bytes: nothing behind was ever used
  std::uint64_t compressedAt_ = 0;  // where the next compressed cluster may begin; 0: nowhere
  std::uint64_t reservedEnd_ = 0;   // bytes: the length that reserve() gave the file; 0: it did not
  bool reserves_ = true;            // until it fails
  Mutex reserving_;
  Mutex bytes_;
  Mutex lowers_;
  std::vector<FreedSpace> freed_;
  TaskGroup lowering_;
};

}  // namespace rhea::block::qcow2
