// The format `qcow2`. See docs/drivers/qcow2.md and docs/design/qcow2.md.
//
// The driver joins the parts of an open image (image.h) to the graph: requests, size, what it tells of itself.
#pragma once

#include "block/core/driver-info.h"
#include "block/driver/qcow2/image.h"

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
                          public BackingKeeper {
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
  std::uint64_t compressedUnit() const override { return image_->geometry.clusterSize(); }
  Task<Result<void>> setBacking(std::string file, std::string format) override;

  qcow2::Image& image() { return *image_; }

 private:
  class Prepared;
  void startTimer();

  std::unique_ptr<qcow2::Image> image_;
  Loop* home_;
  std::unique_ptr<Loop::Watch> cleaner_;  // drops tables that are not used
};

const DriverInfo& qcow2Driver();

}  // namespace rhea::block
