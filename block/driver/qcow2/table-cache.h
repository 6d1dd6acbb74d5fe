// TableCache: pieces of an image's tables (L2 tables, refcount blocks) in memory, as they are on disk.
//
// Lives on the node's home loop alone. A slice that somebody holds stays; others leave when the cache is full, oldest
// use first, once what was changed in them is on stable storage. When that is, the write-back decides
// (write-back.h): the cache only knows which slices were changed after which generation.
#pragma once

#include <unordered_map>

#include "block/core/bounce.h"
#include "block/core/child.h"
#include "emu/base/base.h"
#include "emu/io/sync.h"

namespace rhea::block::qcow2 {

// Counts changes of metadata, so that one can ask whether a certain one is on stable storage.
class Generations {
 public:
  std::uint64_t next() { return ++last_; }
  std::uint64_t last() const { return last_; }
  std::uint64_t stable() const { return stable_; }
  void setStable(std::uint64_t generation) { stable_ = std::max(stable_, generation); }
  bool isStable(std::uint64_t generation) const { return generation <= stable_; }

 private:
  std::uint64_t last_ = 0;
  std::uint64_t stable_ = 0;
};

class TableCache {
  struct Slice;

 public:
  // A slice that stays while this exists; empty ones hold nothing.
  class Hold {
   public:
    Hold() = default;
    Hold(Hold&& other) noexcept : slice_(std::exchange(other.slice_, nullptr)) {}
    Hold& operator=(Hold&& other) noexcept {
      std::swap(slice_, other.slice_);
      return *this;
    }
    ~Hold() {
      if (slice_ != nullptr) --slice_->holds;
    }
    explicit operator bool() const { return slice_ != nullptr; }
    std::uint64_t offset() const { return slice_->offset; }  // bytes, in the file
    std::span<std::byte> bytes() const { return slice_->bytes(); }
    // Of its last change.
    std::uint64_t generation() const { return slice_->changed; }

   private:
    friend class TableCache;
    explicit Hold(Slice& slice) : slice_(&slice) { ++slice.holds; }
    Slice* slice_ = nullptr;
  };

  // What a slice was when a round of writing began; the copy does not change while it is written.
  struct Copy {
    std::uint64_t offset = 0;
    std::vector<std::byte> bytes;
  };

  // `most`: bytes, of which at least a few slices are kept in any case.
  TableCache(Child& file, Generations& generations, std::uint32_t sliceBytes, std::uint64_t most);
  TableCache(const TableCache&) = delete;
  TableCache& operator=(const TableCache&) = delete;
  ~TableCache();

  std::uint32_t sliceBytes() const { return sliceBytes_; }
  void setMost(std::uint64_t bytes);
  // Writes what was changed, so that slices can leave; called when all of them were changed.
  void setRelief(std::function<Task<Result<void>>()> relief) { relief_ = std::move(relief); }

  // Of the slice that begins at `offset`, a multiple of sliceBytes(). Errors: those of reading it.
  Task<Result<Hold>> get(std::uint64_t offset);
  // Only if it is in memory.
  Hold find(std::uint64_t offset);
  // A slice of zeroes, which the file holds too; whatever was in memory of it is gone.
  Hold fresh(std::uint64_t offset);
  void changed(const Hold& hold);
  // What is in memory of a range that no longer holds tables.
  void forget(Extent range);
  // Those that were not used since the last call leave, if they may.
  void dropUnused();

  bool hasChanges() const { return !dirty_.empty(); }
  // Of all slices with changes, in order of their offsets; they count as unchanged from here on.
  std::vector<Copy> takeChanges();
  // The round that took these failed: they have changes again.
  void giveBack(const std::vector<Copy>& copies);

  std::size_t size() const { return slices_.size(); }

 private:
  struct Slice {
    explicit Slice(std::uint64_t at, std::uint32_t length) : offset(at), size(length), memory(length, kAlignment) {}
    std::span<std::byte> bytes() const { return {memory.data(), size}; }

    static constexpr std::size_t kAlignment = 4096;
    const std::uint64_t offset;
    const std::uint32_t size;
    BounceBuffer memory;
    std::uint32_t holds = 0;
    bool dirty = false;
    bool loading = false;
    std::uint64_t changed = 0;  // generation
    std::uint64_t used = 0;     // tick
    Event loaded;
    Slice* older = nullptr;
    Slice* newer = nullptr;
  };

  Task<Result<Hold>> load(std::uint64_t offset);
  Task<Result<void>> makeRoom();
  bool dropOldest();
  bool mayLeave(const Slice& slice) const {
    return slice.holds == 0 && !slice.loading && !slice.dirty && generations_.isStable(slice.changed);
  }
  Slice& add(std::uint64_t offset);
  void remove(Slice& slice);
  void touch(Slice& slice);
  void link(Slice& slice);
  void unlink(Slice& slice);
  void markDirty(Slice& slice);

  Child& file_;
  Generations& generations_;
  const std::uint32_t sliceBytes_;
  std::size_t most_ = 0;  // slices
  std::uint64_t tick_ = 0;
  std::uint64_t lastClean_ = 0;
  std::unordered_map<std::uint64_t, std::shared_ptr<Slice>> slices_;  // shared with those who wait for its loading
  std::vector<std::uint64_t> dirty_;  // offsets of slices with changes, and perhaps of some that were forgotten
  Slice* oldest_ = nullptr;
  Slice* newest_ = nullptr;
  std::function<Task<Result<void>>()> relief_;
};

}  // namespace rhea::block::qcow2
