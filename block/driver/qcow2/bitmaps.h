// Bitmaps: the persistent dirty bitmaps of an open image: recorded while the disk is written to, and never lost when
// the process is killed or the power is cut. See docs/design/qcow2-metadata.md.
#pragma once

#include "block/core/image.h"
#include "block/driver/qcow2/bitmap.h"
#include "block/driver/qcow2/image.h"

namespace rhea::block::qcow2 {

class Bitmaps final : public ChangeWatcher {
 public:
  explicit Bitmaps(Image& image) : image_(image) {}
  Bitmaps(const Bitmaps&) = delete;
  Bitmaps& operator=(const Bitmaps&) = delete;

  // At open. What cannot be read is told in the log and by every operation below; the image is usable all the same.
  Task<void> load();

  bool knows(Extent at) const override;
  Task<Result<void>> note(Extent at) override;
  Task<Result<void>> resizing(std::uint64_t length) override;
  Task<Result<void>> store() override;

  // As BitmapKeeper says.
  Result<std::vector<BitmapInfo>> list() const;
  Task<Result<void>> add(BitmapInfo info);
  Task<Result<void>> remove(std::string name);
  // A write that goes on meanwhile may or may not be noted: the caller drains.
  Task<Result<void>> clear(std::string name);
  Task<Result<void>> setRecording(std::string name, bool recording);
  Result<std::vector<Extent>> dirtyRanges(std::string_view name, std::uint64_t from) const;
  Task<Result<void>> markDirty(std::string name, std::vector<Extent> ranges);

 private:
  using Row = std::unique_ptr<Bitmap>;

  Task<Result<void>> loadAll();
  Task<Result<void>> loadBits(Bitmap& bitmap);
  Task<Result<void>> ready();
  Result<Bitmap*> find(std::string_view name) const;
  Result<Bitmap*> findUsable(std::string_view name) const;

  // From here on others must not believe the bitmaps that record, and we may.
  Task<Result<void>> arm();
  // Lets the image say of these bits that they are dirty, and of neighbours with them.
  Task<Result<void>> cover(Bitmap& bitmap, std::uint64_t first, std::uint64_t end);
  // Writes what the bitmap is, exactly.
  Task<Result<void>> storeBits(Bitmap& bitmap);
  // Writes the part of `stored` that one cluster of the bitmap's data holds, or some bytes of it.
  Task<Result<void>> writePart(Bitmap& bitmap, std::uint64_t firstByte, std::uint64_t endByte);
  Task<Result<void>> giveCluster(Bitmap& bitmap, std::uint64_t index);
  Task<Result<void>> writeFlags(Bitmap& bitmap, std::uint32_t flags);
  Task<Result<void>> writeTable(Bitmap& bitmap);
  Task<Result<void>> patchAutoclear(std::uint64_t bits);
  Task<Result<void>> replaceDirectory();
  Task<Result<void>> freeClusters(std::vector<Extent> clusters);
  std::vector<Extent> clustersOf(const Bitmap& bitmap) const;
  std::uint64_t placeOf(const Bitmap& bitmap) const;
  Extent tableExtent(const Bitmap& bitmap) const;

  Image& image_;
  std::vector<Row> bitmaps_;
  std::optional<Error> unusable_;
  bool armed_ = false;
  std::uint64_t covers_ = 0;  // since armed: the more there are, the more is covered at once
  Mutex turn_;
};

}  // namespace rhea::block::qcow2
