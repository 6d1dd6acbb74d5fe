// The driver's side of check, snapshots, bitmaps and amend.
#include "block/driver/qcow2/amend.h"
#include "block/driver/qcow2/checker.h"
#include "block/driver/qcow2/qcow2.h"

namespace rhea::block {

// The check reads the file, so the file must say what memory does.
Task<Result<CheckReport>> Qcow2Driver::check(CheckWish wish, Progress& progress, CancelToken cancel) {
  RHEA_CO_CHECK(co_await image_->endWriting());
  qcow2::Checker checker(image_->file, image_->header, progress, cancel);
  auto report = co_await checker.run(wish);
  if (!wish.repairLeaks && !wish.repairErrors) co_return report;
  image_->header = checker.header();
  RHEA_CO_CHECK(co_await image_->reload());
  if (report.ok() && report->corruptions == 0 && report->checkErrors == 0) image_->damage.clear();
  co_return report;
}

Task<Result<std::vector<SnapshotInfo>>> Qcow2Driver::snapshots() { return snapshots_.list(); }
Task<Result<void>> Qcow2Driver::createSnapshot(SnapshotInfo info) { return snapshots_.create(std::move(info)); }
Task<Result<void>> Qcow2Driver::revertToSnapshot(std::string which) { return snapshots_.revert(std::move(which)); }
Task<Result<void>> Qcow2Driver::deleteSnapshot(std::string which) { return snapshots_.remove(std::move(which)); }
Task<Result<void>> Qcow2Driver::readVmState(Extent at, IoVector to) { return snapshots_.readState(at, to); }
Task<Result<void>> Qcow2Driver::writeVmState(Extent at, IoVector from) { return snapshots_.writeState(at, from); }

Task<Result<std::vector<BitmapInfo>>> Qcow2Driver::bitmaps() { co_return bitmaps_.list(); }
Task<Result<void>> Qcow2Driver::addBitmap(BitmapInfo info) { return bitmaps_.add(std::move(info)); }
Task<Result<void>> Qcow2Driver::removeBitmap(std::string name) { return bitmaps_.remove(std::move(name)); }
Task<Result<void>> Qcow2Driver::clearBitmap(std::string name) { return bitmaps_.clear(std::move(name)); }
Task<Result<void>> Qcow2Driver::setBitmapRecording(std::string name, bool recording) {
  return bitmaps_.setRecording(std::move(name), recording);
}
Task<Result<std::vector<Extent>>> Qcow2Driver::dirtyRanges(std::string name, std::uint64_t from) {
  co_return bitmaps_.dirtyRanges(name, from);
}
Task<Result<void>> Qcow2Driver::markDirty(std::string name, std::vector<Extent> ranges) {
  return bitmaps_.markDirty(std::move(name), std::move(ranges));
}

Task<Result<void>> Qcow2Driver::amend(DriverOptions options, Progress& progress, CancelToken cancel) {
  return qcow2::amendImage(*image_, std::move(options), progress, cancel);
}

}  // namespace rhea::block
