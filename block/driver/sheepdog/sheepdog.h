// The driver `sheepdog`: a disk in a Sheepdog cluster. See docs/drivers/sheepdog.md and docs/design/sheepdog.md.
//
// The driver joins a volume (volume.h) to the graph: which loop it lives on, who may write, what is told of it.
#pragma once

#include "block/core/driver-info.h"
#include "block/driver/sheepdog/snapshots.h"

namespace rhea::block {

class SheepdogDriver final : public Driver,
                             public Discards,
                             public ZeroWriter,
                             public Mapper,
                             public Resizer,
                             public Reopener,
                             public RightsKeeper,
                             public Informer,
                             public HomeAware,
                             public SnapshotAble,
                             public ImageChecker {
 public:
  SheepdogDriver(std::unique_ptr<sheepdog::Volume> volume, Loop& home, OpenFlags flags, bool onlyReadable);

  Limits limits() const override;
  std::uint64_t length() const override { return volume_->length(); }
  bool isReadOnly() const override { return readOnly_.load(std::memory_order_relaxed); }
  Task<Result<void>> read(Extent at, IoVector to) override { return volume_->read(at, to); }
  Task<Result<void>> write(Extent at, IoVector from, WriteFlags how) override;
  Task<Result<void>> flush(FlushTo to) override { return volume_->flush(to); }
  Task<void> close() override;

  Task<Result<void>> discard(Extent at, WriteFlags how) override;
  Task<Result<void>> writeZeroes(Extent at, WriteFlags how) override;
  Task<Result<BlockStatus>> status(Extent at, bool precise) override;
  Task<Result<void>> resize(std::uint64_t length, Preallocation preallocation) override;

  Task<Result<std::unique_ptr<PreparedReopen>>> prepareReopen(ReopenRequest request) override;
  Task<Result<void>> prepareRights(Rights rights) override;
  void commitRights() override;
  void abortRights() override;

  // --- info.cc
  std::string fileName() const override;
  Task<Result<ImageInfo>> imageInfo() override;
  Task<Result<StorageFacts>> storageFacts() override;
  int descriptor() const override { return -1; }
  std::vector<std::pair<std::string, std::uint64_t>> counters() const override;
  // What the cluster has of each object that the index names.
  Task<Result<CheckReport>> check(CheckWish wish, Progress& progress, CancelToken cancel) override;

  Task<void> leaveHome() override;
  Task<void> enterHome(Loop& home) override;

  Task<Result<std::vector<SnapshotInfo>>> snapshots() override { return snapshots_.list(); }
  Task<Result<void>> createSnapshot(SnapshotInfo info) override { return snapshots_.create(std::move(info)); }
  Task<Result<void>> revertToSnapshot(std::string which) override { return snapshots_.revert(std::move(which)); }
  Task<Result<void>> deleteSnapshot(std::string which) override { return snapshots_.remove(std::move(which)); }
  Task<Result<void>> readVmState(Extent at, IoVector to) override { return snapshots_.readState(at, to); }
  Task<Result<void>> writeVmState(Extent at, IoVector from) override { return snapshots_.writeState(at, from); }

  sheepdog::Volume& volume() { return *volume_; }

 private:
  class Prepared;
  Task<Result<void>> beginWritingAtHome();
  Task<void> endWritingAtHome();

  std::unique_ptr<sheepdog::Volume> volume_;
  sheepdog::Snapshots snapshots_;
  Loop* home_;
  OpenFlags flags_;
  const bool onlyReadable_;  // by its nature: a snapshot, a hyper volume
  std::atomic<bool> readOnly_;
  std::atomic<std::uint64_t> discards_{0};
  std::atomic<std::uint64_t> discardedBytes_{0};
  bool wantsWriting_ = false;  // by the rights that are being prepared or in force
  bool writing_ = false;
  TaskGroup settling_;
};

const DriverInfo& sheepdogDriver();

}  // namespace rhea::block
