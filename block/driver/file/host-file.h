// HostFile: what the drivers file, host_device and host_cdrom share: requests on a host descriptor that can be
// exchanged for another while they run, image locks, and facts.
//
// Any thread may send requests; each takes its loop's engine. Everything that can hang runs on workers.
#pragma once

#include "block/core/abilities.h"
#include "block/core/driver-info.h"
#include "block/driver/file/cache-sides.h"
#include "block/driver/file/file-slots.h"
#include "block/driver/file/lock-keeper.h"
#include "block/driver/file/opening.h"

namespace rhea::block {

enum class Locking : std::uint8_t { kAuto, kOn, kOff };

// The options of the three drivers, as blockdev-add gives them.
struct HostFileOptions {
  std::string filename;
  Locking locking = Locking::kAuto;
  std::optional<FileEngineKind> aio;  // none: io_uring where it works, else threads
  bool dropCache = true;              // the host's cached pages are given up when a node turns to direct I/O
  int nameless = -1;                  // the file has no name: opened by this descriptor, filename is for people
};

// Defined in options.cc, which alone knows the generated struct. Also of a file without a name (temporary-file.h).
Result<HostFileOptions> hostFileOptions(const DriverOptions& options);

// What a driver object begins with.
struct HostFileStart {
  HostFileOptions options;
  HostFileKind kind = HostFileKind::kRegular;
  FileEngineKind usualEngine = FileEngineKind::kThreads;  // where aio= is not given
  OpenFlags flags;
  const FdSets* sets = nullptr;
  OpenedFile opened;  // without its descriptor, which is:
  std::shared_ptr<Fd> descriptor;
  std::shared_ptr<LockKeeper> locks;  // null: no locking
  std::string note;                   // what differs from what was asked, for facts
};

// Opens and prepares everything off the loop; the common part of the three drivers' open.
Task<Result<HostFileStart>> startHostFile(OpenContext context, HostFileOptions options, HostFileKind kind);

class HostFile : public Driver, public Reopener, public RightsKeeper, public Informer {
 public:
  explicit HostFile(HostFileStart start);
  ~HostFile() override;

  Limits limits() const override;
  std::uint64_t length() const override { return length_.load(std::memory_order_relaxed); }
  bool isReadOnly() const override { return readOnly_.load(std::memory_order_relaxed); }
  Task<Result<void>> read(Extent at, IoVector to) override;
  Task<Result<void>> write(Extent at, IoVector from, WriteFlags how) override;
  Task<Result<void>> flush(FlushTo to) override;
  Task<void> close() override;

  Task<Result<std::unique_ptr<PreparedReopen>>> prepareReopen(ReopenRequest request) override;

  // Image locks; and with auto-read-only the description that the rights need: for writing while somebody writes.
  Task<Result<void>> prepareRights(Rights rights) override;
  void commitRights() override;
  void abortRights() override;

  std::string fileName() const override;
  Task<Result<ImageInfo>> imageInfo() override;
  Task<Result<StorageFacts>> storageFacts() override;
  int descriptor() const override;
  std::vector<std::pair<std::string, std::uint64_t>> counters() const override;

 protected:
  // One fallocate through the engine, then fdatasync where `how` is stable. EOPNOTSUPP is passed on.
  Task<Result<void>> allocate(Extent at, int mode, WriteFlags how);
  // What `use`'s description needs before its first request.
  Task<Result<void>> ready(FileSlot& slot);
  // fdatasync outside of flush(), for a write-through change: a failure is also kept for the next flush.
  Task<Result<void>> syncAfter(FileSlot& slot);
  FileUse use() const { return slots_.use(); }
  HostFileOptions options() const;
  void setLength(std::uint64_t length) { length_.store(length, std::memory_order_relaxed); }
  void growTo(std::uint64_t end);
  void countDiscard(bool ok, std::uint64_t bytes);

 private:
  class Prepared;
  friend class Prepared;
  FileAccess accessOf(const OpenedFile& opened, const HostFileOptions& options) const;
  Task<Result<void>> sync(FileSlot& slot);
  Task<Result<std::size_t>> transfer(FileSlot& slot, FileOp op, Extent at, IoVector data);
  std::string engineNote(const FileAccess& access) const;
  // Whether a description made now is to be writable: by the switches, and by who needs to write.
  bool opensForWriting(const OpenFlags& flags) const;
  // A second description of the same file, locked, in a slot that is not current yet.
  Task<Result<FileSlot*>> openAgain(HostFileOptions options, OpenFlags flags, bool writing);
  Task<Result<void>> followRights(bool writing);
  void endRightsChange();

  const HostFileKind kind_;
  const FileEngineKind usualEngine_;
  const FdSets* const sets_;
  const std::shared_ptr<LockKeeper> locks_;
  const std::string note_;
  FileSlots slots_;
  CacheSides sides_;
  std::atomic<std::uint64_t> length_{0};
  std::atomic<bool> readOnly_{false};
  std::atomic<bool> wasWritable_{false};    // by any description so far: there may be something to flush
  std::atomic<bool> stableRefused_{false};  // RWF_DSYNC: EOPNOTSUPP was seen
  std::atomic<bool> stableTried_{false};    // ... or it worked
  // errno of an fdatasync outside of flush(); the next flush must report it, since the kernel says it only once.
  std::atomic<int> unreportedSyncError_{0};
  std::atomic<std::uint64_t> discardsOk_{0};
  std::atomic<std::uint64_t> discardsFailed_{0};
  std::atomic<std::uint64_t> discardedBytes_{0};
  mutable std::mutex guard_;  // options_, flags_; not on a request's way
  HostFileOptions options_;
  OpenFlags flags_;
  // The graph's loop: whether somebody needs to write, by the rights in force and by those being prepared.
  bool neededForWriting_ = false;
  bool claimedForWriting_ = false;
  std::unique_ptr<Prepared> rightsChange_;  // the description that the claimed rights need
  TaskGroup settling_;
};

}  // namespace rhea::block
