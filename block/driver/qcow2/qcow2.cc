#include "block/driver/qcow2/qcow2.h"

#include "block/core/node.h"
#include "block/driver/qcow2/create.h"
#include "block/driver/qcow2/open.h"
#include "block/driver/qcow2/resize.h"
#include "emu/io/loop.h"

namespace rhea::block {

using qcow2::Image;
using qcow2::Segment;

Qcow2Driver::Qcow2Driver(std::unique_ptr<Image> image, Loop& home)
    : image_(std::move(image)), snapshots_(*image_), bitmaps_(*image_), home_(&home) {
  startTimer();
}

void Qcow2Driver::startTimer() {
  if (image_->settings.cleanSeconds == 0 || !home_->isCurrent()) return;
  const auto clean = [this] {
    image_->l2Tables.dropUnused();
    image_->refcountBlocks.dropUnused();
  };
  cleaner_ = home_->timer(std::chrono::seconds(image_->settings.cleanSeconds), clean, true);
}

Task<void> Qcow2Driver::leaveHome() {
  cleaner_.reset();
  co_await image_->allocator.settle();
}

Task<void> Qcow2Driver::enterHome(Loop& home) {
  home_ = &home;
  startTimer();
  co_return;
}

Limits Qcow2Driver::limits() const {
  Limits limits;
  limits.discardAlignment = image_->geometry.clusterSize();
  limits.zeroAlignment = image_->geometry.subclusterSize();
  return limits;
}

Task<Result<void>> Qcow2Driver::read(Extent at, IoVector to) {
  const qcow2::RequestEpochs::Inside inside(image_->epochs);
  co_return co_await image_->reader.read(at, to);
}

Task<Result<void>> Qcow2Driver::write(Extent at, IoVector from, WriteFlags how) {
  return image_->writer.write(at, from, how);
}

Task<Result<void>> Qcow2Driver::flush(FlushTo to) {
  // Of an image that nobody wrote to since it was opened, nothing is in memory only.
  if (!image_->hasBegunWriting()) co_return success();
  co_return co_await image_->writeBack.commit(to);
}

Task<Result<void>> Qcow2Driver::discard(Extent at, WriteFlags) { return image_->writer.discard(at); }

Task<Result<void>> Qcow2Driver::writeZeroes(Extent at, WriteFlags how) { return image_->writer.writeZeroes(at, how); }

Task<Result<void>> Qcow2Driver::writeCompressed(Extent at, IoVector from) {
  return image_->writer.writeCompressed(at, from);
}

Task<Result<void>> Qcow2Driver::makeEmpty() {
  const std::uint64_t whole = alignUp(image_->length(), image_->geometry.clusterSize());
  if (whole != 0) RHEA_CO_CHECK(co_await image_->writer.forget(Extent(0, whole)));
  co_return co_await image_->writeBack.commitAll();
}

Task<Result<void>> Qcow2Driver::showSnapshot(std::string which) {
  if (image_->hasBegunWriting()) co_return Error("an image that is written to shows its disk, not a snapshot");
  co_return co_await snapshotKeeper().show(std::move(which));
}

// Metadata preallocated, or what was freed given back to the host. An answer of long ago is good enough: with it the
// file is asked in vain, or what it could tell in addition is not told.
Task<bool> Qcow2Driver::isFileSparse() {
  if (!fileIsSparse_) {
    bool sparse = false;
    if (Informer* const below = image_->file.node().informer()) {
      const Result<ImageInfo> file = co_await below->imageInfo();
      if (file.ok() && file->actualSize) {
        const std::uint64_t there = *file->actualSize >> image_->geometry.clusterBits;
        sparse = image_->geometry.clustersFor(image_->file.length()) >= std::max(there + there / 9, there + 2);
      }
    }
    fileIsSparse_ = sparse;
  }
  co_return *fileIsSparse_;
}

Task<Result<BlockStatus>> Qcow2Driver::status(Extent at, bool precise) {
  const qcow2::RequestEpochs::Inside inside(image_->epochs);
  RHEA_CO_TRY(const Segment segment, co_await image_->reader.segment(at));
  BlockStatus status(segment.length);
  if (segment.hasHost) {
    status.offset = segment.host;
    status.in = &image_->data;
  }
  switch (segment.kind) {
    case Segment::Kind::kUnallocated:
      status.data = false;
      status.allocated = false;
      status.zero = image_->reader.isZeroBehind(at);
      break;
    case Segment::Kind::kZero:
      status.data = false;
      status.zero = true;
      break;
    case Segment::Kind::kData:
    case Segment::Kind::kPacked:
    case Segment::Kind::kDamaged:
      break;
  }
  if (segment.kind == Segment::Kind::kData && precise && co_await isFileSparse()) {
    const Extent stored(segment.host, segment.length);
    RHEA_CO_TRY(const BlockStatus below, co_await image_->data.status(stored, true));
    status.zero = below.zero;
    status.length = std::min(status.length, below.length);
  }
  co_return status;
}

Task<Result<void>> Qcow2Driver::resize(std::uint64_t length, Preallocation preallocation) {
  RHEA_CO_CHECK(co_await image_->beginWriting());
  co_return co_await qcow2::resizeImage(*image_, length, preallocation);
}

Task<Result<void>> Qcow2Driver::setBacking(std::string file, std::string format) {
  RHEA_CO_CHECK(co_await image_->beginWriting());
  qcow2::Header changed = image_->header;
  changed.backingFile = std::move(file);
  changed.backingFormat = changed.backingFile.empty() ? std::string() : std::move(format);
  Result<std::vector<std::byte>> fits = changed.serialise();
  if (!fits.ok()) co_return fits.takeError();
  qcow2::Header before = std::exchange(image_->header, std::move(changed));
  Result<void> written = co_await image_->writeHeader();
  if (!written.ok()) image_->header = std::move(before);
  co_return written;
}

// Runs on the graph's loop; the image belongs to its home.
Task<void> Qcow2Driver::close() {
  cleaner_.reset();
  const Result<void> ended = co_await image_->endWriting();
  if (!ended.ok()) {
    image_->damage.note(
        fmt::format("closing the image: {}; space may be lost until it is checked", ended.error().message()));
  }
  co_await image_->allocator.settle();
}

// A node becomes read-only with nothing left in memory only.
class Qcow2Driver::Prepared final : public PreparedReopen {
 public:
  Prepared(Image& image, qcow2::Settings settings, bool readOnly)
      : image_(image), settings_(settings), readOnly_(readOnly) {}
  void commit() override { exchange(); }
  void revert() override { exchange(); }
  Task<void> settle() override {
    if (readOnly_) static_cast<void>(co_await image_.endWriting());
  }

 private:
  void exchange() {
    // How tables are cut and when refcounts are written stays as it was opened.
    qcow2::Settings now = settings_;
    now.l2SliceBytes = image_.settings.l2SliceBytes;
    now.refcountSliceBytes = image_.settings.refcountSliceBytes;
    now.lazyRefcounts = image_.settings.lazyRefcounts;
    settings_ = std::exchange(image_.settings, now);
    image_.l2Tables.setMost(now.l2CacheBytes);
    image_.refcountBlocks.setMost(now.refcountCacheBytes);
  }
  Image& image_;
  qcow2::Settings settings_;
  bool readOnly_;
};

Task<Result<std::unique_ptr<PreparedReopen>>> Qcow2Driver::prepareReopen(ReopenRequest request) {
  qcow2::Settings settings = image_->settings;
  if (request.options) {
    RHEA_CO_TRY(settings, qcow2::readSettings(*request.options, image_->header, request.flags));
  } else {
    settings.discardRequest = request.flags.discard == DiscardPolicy::kUnmap;
  }
  if (request.flags.readOnly) RHEA_CO_CHECK(co_await image_->endWriting());
  co_return std::make_unique<Prepared>(*image_, settings, request.flags.readOnly);
}

namespace {

DriverInfo describe() {
  DriverInfo info;
  info.name = "qcow2";
  info.kind = DriverKind::kFormat;
  info.threads = DriverThreads::kHome;
  info.children = {{"file", ChildRole::kData, true, false},
                   {"backing", ChildRole::kBacking, false, true},
                   {"data-file", ChildRole::kData, false, false}};
  info.open = qcow2::openImage;
  info.impliedChildren = qcow2::impliedChildren;
  info.create = qcow2::createImage;
  info.measure = qcow2::measureImage;
  info.probe = [](std::span<const std::byte> head, std::string_view) { return qcow2::probeHeader(head); };
  return info;
}

}  // namespace

const DriverInfo& qcow2Driver() {
  static const DriverInfo kInfo = describe();
  return kInfo;
}

}  // namespace rhea::block
