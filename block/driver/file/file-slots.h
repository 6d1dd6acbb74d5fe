// FileSlots: which open file description a request uses, so that it can change while requests are in flight.
//
// Each request takes the current description by use() and counts on it until it ends; a new one is made current by one
// atomic store; the old one may be closed when nobody counts on it any more. No lock on the way of a request.
//
// A slot is never freed before the driver, only used again: a request that read the pointer just before it changed
// touches nothing but the slot's counter, sees that the slot is not current, and tries again.
#pragma once

#include "block/core/extent.h"
#include "block/core/io-vector.h"
#include "block/core/limits.h"
#include "block/driver/file/direct-io.h"
#include "emu/io/fd.h"
#include "emu/io/file-engine.h"
#include "emu/io/sync.h"

namespace rhea::block {

// What requests need to know of a description; fixed while it is open.
struct FileAccess {
  bool writable = false;
  bool direct = false;
  DirectAlignment alignment;  // where direct
  FileEngineKind engine = FileEngineKind::kThreads;

  Limits limits() const;
  bool fits(Extent at, const IoVector& data) const;
};

class FileSlot {
 public:
  int fd() const { return fd_->get(); }
  const std::shared_ptr<Fd>& descriptor() const { return fd_; }
  const FileAccess& access() const { return access_; }

  // The first request waits until what was written through the page cache is on the disk; see HostFile::syncFirst.
  std::atomic<bool> syncFirst{false};
  Mutex syncing;

 private:
  friend class FileSlots;
  friend class FileUse;
  void release();

  std::shared_ptr<Fd> fd_;
  FileAccess access_;
  std::atomic<std::uint64_t> users_{0};
  std::atomic<bool> retiring_{false};
  Event idle_;
};

// A request's hold on a slot.
class FileUse {
 public:
  explicit FileUse(FileSlot& slot) : slot_(&slot) {}
  FileUse(FileUse&& other) noexcept : slot_(std::exchange(other.slot_, nullptr)) {}
  FileUse& operator=(FileUse&& other) noexcept {
    std::swap(slot_, other.slot_);
    return *this;
  }
  ~FileUse() {
    if (slot_ != nullptr) slot_->release();
  }
  FileSlot* operator->() const { return slot_; }
  FileSlot& operator*() const { return *slot_; }

 private:
  FileSlot* slot_;
};

class FileSlots {
 public:
  // The current one; any thread. There must be one.
  FileUse use() const;
  // Fills a free slot; not yet current.
  FileSlot& fill(std::shared_ptr<Fd> fd, const FileAccess& access);
  // New requests use `slot` from here on. Returns the former one (null at first).
  FileSlot* makeCurrent(FileSlot& slot) { return current_.exchange(&slot); }
  // Waits until no request uses `slot`, which is not current, empties it and gives its descriptor.
  Task<std::shared_ptr<Fd>> retire(FileSlot& slot);
  // Those in use or retiring, current one first; for facts.
  std::vector<std::shared_ptr<Fd>> descriptors() const;

 private:
  std::atomic<FileSlot*> current_{nullptr};
  mutable std::mutex guard_;  // all_ and each slot's being free or not; never on a request's way
  std::vector<std::unique_ptr<FileSlot>> all_;
};

}  // namespace rhea::block
