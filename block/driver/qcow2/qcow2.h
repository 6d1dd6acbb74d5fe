// The format `qcow2`. See docs/drivers/qcow2.md and docs/design/qcow2.md.
//
// The driver joins the parts of an open image (image.h) to the graph: requests, size, what it tells of itself.
#pragma once

#include "block/core/driver-info.h"
#include "block/core/emptier.h"
#include "block/core/snapshot-viewer.h"
#include "block/driver/qcow2/bitmaps.h"
#include "block/driver/qcow2/image.h"
#include "block/driver/qcow2/snapshots.h"

namespace rhea::block {

class Qcow2Driver final : public Driver,
                          public Discards,
                          public ZeroWriter,
                          public Mapper,
                          public Resizer,
                          public Reopener,
                          public Informer,
                          public HomeAware,
                          public CompressedWriter,
                          public BackingKeeper,
                          public ImageChecker,
                          public SnapshotAble,
                          public BitmapKeeper,
                          public Amender,
                          public Emptier,
                          public SnapshotViewer {
 public:
  Qcow2Driver(std::unique_ptr<qcow2::Image> image, Loop& home);

  Limits limits() const override;
  std::uint64_t length() const override { return image_->length(); }
  Task<Result<void>> read(Extent at, IoVector to) override;
  Task<Result<void>> write(Extent at, IoVector from, WriteFlags how) override;
  Task<Result<void>> flush(FlushTo to) override;
  Task<void> close() override;

  Task<Result<void>> discard(Extent at, WriteFlags how) override;
  Task<Result<void>> writeZeroes(Extent at, WriteFlags how) override;
  Task<Result<BlockStatus>> status(Extent at, bool precise) override;
  // Errors: larger than the tables can be; with snapshots an image of version 2 keeps its size.
  Task<Result<void>> resize(std::uint64_t length, Preallocation preallocation) override;

  // Other settings, read-only or not, another backing node.
  Task<Result<std::unique_ptr<PreparedReopen>>> prepareReopen(ReopenRequest request) override;

  std::string fileName() const override;
  Task<Result<ImageInfo>> imageInfo() override;
  Task<Result<StorageFacts>> storageFacts() override;

  Task<void> leaveHome() override;
  Task<void> enterHome(Loop& home) override;

  Task<Result<void>> writeCompressed(Extent at, IoVector from) override;
  Task<Result<void>> makeEmpty() override;
  Task<Result<void>> showSnapshot(std::string which) override;
  std::uint64_t compressedUnit() const override { return image_->geometry.clusterSize(); }
  Task<Result<void>> setBacking(std::string file, std::string format) override;

  // --- driver-metadata.cc
  Task<Result<CheckReport>> check(CheckWish wish, Progress& progress, CancelToken cancel) override;

  Task<Result<std::vector<SnapshotInfo>>> snapshots() override;
  Task<Result<void>> createSnapshot(SnapshotInfo info) override;
  Task<Result<void>> revertToSnapshot(std::string which) override;
  Task<Result<void>> deleteSnapshot(std::string which) override;
  Task<Result<void>> readVmState(Extent at, IoVector to) override;
  Task<Result<void>> writeVmState(Extent at, IoVector from) override;

  Task<Result<std::vector<BitmapInfo>>> bitmaps() override;
  Task<Result<void>> addBitmap(BitmapInfo info) override;
  Task<Result<void>> removeBitmap(std::string name) override;
  Task<Result<void>> clearBitmap(std::string name) override;
  Task<Result<void>> setBitmapRecording(std::string name, bool recording) override;
  Task<Result<std::vector<Extent>>> dirtyRanges(std::string name, std::uint64_t from) override;
  Task<Result<void>> markDirty(std::string name, std::vector<Extent> ranges) override;

  Task<Result<void>> amend(DriverOptions options, Progress& progress, CancelToken cancel) override;

  qcow2::Snapshots& snapshotKeeper() { return snapshots_; }
  qcow2::Bitmaps& bitmapKeeper() { return bitmaps_; }
  qcow2::Image& image() { return *image_; }

 private:
  class Prepared;
  void startTimer();
  // The file is shorter on the host than in itself by more than chance: clusters that count as stored are holes in it.
  Task<bool> isFileSparse();

  std::unique_ptr<qcow2::Image> image_;
  qcow2::Snapshots snapshots_;
  qcow2::Bitmaps bitmaps_;
  Loop* home_;
  std::optional<bool> fileIsSparse_;      // as found when it was first asked
  std::unique_ptr<Loop::Watch> cleaner_;  // drops tables that are not used
};

const DriverInfo& qcow2Driver();

}  // namespace rhea::block
