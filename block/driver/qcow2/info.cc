// What a qcow2 node tells of its image.
#include "block/core/node.h"
#include "block/driver/qcow2/qcow2.h"
#include "block/options/named-image.h"
#include "config.h"
#include "qapi/types-block-types.h"

namespace rhea::block {

std::string Qcow2Driver::fileName() const { return image_->file.node().fileName(); }

namespace {

qapi::Qcow2BitmapInfo describe(const BitmapInfo& bitmap) {
  qapi::Qcow2BitmapInfo info;
  info.name = bitmap.name;
  info.granularity = bitmap.granularity;
  if (bitmap.inconsistent) info.flags.push_back(qapi::Qcow2BitmapInfoFlags::inUse);
  if (bitmap.recording) info.flags.push_back(qapi::Qcow2BitmapInfoFlags::auto_);
  return info;
}

qapi::ImageInfoSpecific specificOf(const qcow2::Header& header, const std::vector<BitmapInfo>& bitmaps) {
  qapi::ImageInfoSpecificQCow2 own;
  own.compat = header.version == 2 ? "0.10" : "1.1";
  own.refcountBits = std::int64_t{1} << header.refcountOrder;
  own.compressionType = qapi::Qcow2CompressionType::zlib;
#if RHEA_HAVE_ZSTD
  if (header.compression == qcow2::Compression::kZstd) own.compressionType = qapi::Qcow2CompressionType::zstd;
#endif
  if (header.version >= 3) {
    own.lazyRefcounts = header.hasLazyRefcounts();
    own.corrupt = header.isCorrupt();
    own.extendedL2 = header.hasExtendedL2();
  }
  if (header.hasExternalData()) {
    own.dataFile = header.dataFile;
    own.dataFileRaw = header.isRawExternalData();
  }
  if (!bitmaps.empty()) {
    own.bitmaps.emplace();
    for (const BitmapInfo& bitmap : bitmaps) own.bitmaps->push_back(describe(bitmap));
  }
  qapi::ImageInfoSpecificQCow2Wrapper wrapper;
  wrapper.data = std::move(own);
  qapi::ImageInfoSpecific specific;
  specific.type = qapi::ImageInfoSpecificKind::qcow2;
  specific.u = std::move(wrapper);
  return specific;
}

}  // namespace

Task<Result<ImageInfo>> Qcow2Driver::imageInfo() {
  ImageInfo info;
  if (Informer* const below = image_->file.node().informer()) {
    Result<ImageInfo> file = co_await below->imageInfo();
    if (file.ok()) info.actualSize = file->actualSize;
  }
  // Header and bitmaps belong to the home loop.
  Loop* const back = Loop::current();
  co_await home_->enter();
  const qcow2::Header header = image_->header;
  const Result<std::vector<BitmapInfo>> listed = bitmaps_.list();
  const std::vector<BitmapInfo> bitmaps = listed.ok() ? *listed : std::vector<BitmapInfo>();
  info.dirty = header.isDirty();
  co_await back->enter();
  info.virtualSize = length();
  info.clusterSize = header.clusterSize();
  info.backingFile = header.backingFile;
  info.backingFormat = header.backingFormat;
  if (!header.backingFile.empty()) info.fullBackingFile = nameFrom(fileName(), header.backingFile);
  info.specific = DriverOptions::of(specificOf(header, bitmaps));
  co_return info;
}

Task<Result<StorageFacts>> Qcow2Driver::storageFacts() {
  Informer* const below = image_->data.node().informer();
  if (below == nullptr) co_return StorageFacts();
  co_return co_await below->storageFacts();
}

}  // namespace rhea::block
