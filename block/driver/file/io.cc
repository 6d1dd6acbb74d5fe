// Reads, writes and flushes of host files.
#include <cerrno>

#include "block/driver/file/host-file.h"

namespace rhea::block {

namespace {

std::uint64_t alignDown(std::uint64_t value, const FileAccess& access) {
  return access.direct ? value / access.alignment.offset * access.alignment.offset : value;
}

CacheSides::Side sideOf(const FileAccess& access) {
  return access.direct ? CacheSides::Side::kDirect : CacheSides::Side::kBuffered;
}

void zeroRest(const IoVector& to, std::uint64_t from) {
  if (from < to.length()) to.slice(from, to.length() - from).fill(std::byte{0});
}

}  // namespace

Task<Result<std::size_t>> HostFile::transfer(FileSlot& slot, FileOp op, Extent at, IoVector data) {
  RHEA_CO_TRY(FileEngine * engine, Loop::current()->fileEngine(slot.access().engine));
  const IovecArray pieces(data);
  FileRequest request(op, slot.fd(), at.offset);
  request.data = pieces.pieces();
  co_return co_await engine->submit(request);
}

Task<Result<void>> HostFile::read(Extent at, IoVector to) {
  const FileUse file = use();
  if (!file->access().fits(at, to)) co_return limitsChanged();
  if (file->syncFirst.load(std::memory_order_acquire)) RHEA_CO_CHECK(co_await ready(*file));
  // A direct read that ends at an odd end of file cannot be carried on from there: it is tried again from the last
  // aligned byte, and where that brings nothing new the file ends.
  std::uint64_t reached = 0;
  while (reached < at.length) {
    const std::uint64_t begin = alignDown(reached, file->access());
    const Extent rest = at.slice(begin, at.length - begin);
    auto moved = co_await transfer(*file, FileOp::kRead, rest, to.slice(begin, rest.length));
    if (!moved.ok()) co_return moved.takeError();
    if (begin + *moved <= reached) break;
    reached = begin + *moved;
  }
  zeroRest(to, reached);
  co_return success();
}

Task<Result<void>> HostFile::write(Extent at, IoVector from, WriteFlags how) {
  const FileUse file = use();
  if (!file->access().writable) co_return Error::fromErrno(EROFS);
  if (!file->access().fits(at, from)) co_return limitsChanged();
  if (how.isStable() && stableRefused_.load(std::memory_order_relaxed)) co_return Error::fromErrno(EOPNOTSUPP);
  CacheSides::Hold apart = sides_.tryEnter(sideOf(file->access()));
  if (!apart) apart = co_await sides_.enter(sideOf(file->access()));
  if (file->syncFirst.load(std::memory_order_acquire)) RHEA_CO_CHECK(co_await ready(*file));
  const FileOp op = how.isStable() ? FileOp::kWriteStable : FileOp::kWrite;
  std::uint64_t reached = 0;
  while (reached < at.length) {
    const std::uint64_t begin = alignDown(reached, file->access());
    const Extent rest = at.slice(begin, at.length - begin);
    auto moved = co_await transfer(*file, op, rest, from.slice(begin, rest.length));
    if (!moved.ok()) {
      if (how.isStable() && moved.error().code() == EOPNOTSUPP) stableRefused_ = true;
      co_return moved.takeError();
    }
    if (begin + *moved <= reached) co_return Error::fromErrno(ENOSPC);  // the kernel takes no more and says no why
    reached = begin + *moved;
  }
  if (how.isStable() && !stableTried_.load(std::memory_order_relaxed)) stableTried_ = true;
  growTo(at.end());
  co_return success();
}

void HostFile::growTo(std::uint64_t end) {
  std::uint64_t known = length_.load(std::memory_order_relaxed);
  while (known < end && !length_.compare_exchange_weak(known, end, std::memory_order_relaxed)) {
  }
}

Task<Result<void>> HostFile::sync(FileSlot& slot) {
  RHEA_CO_TRY(FileEngine * engine, Loop::current()->fileEngine(slot.access().engine));
  const FileRequest request(FileOp::kSync, slot.fd(), 0);
  auto done = co_await engine->submit(request);
  if (!done.ok()) co_return done.takeError();
  co_return success();
}

Task<Result<void>> HostFile::flush(FlushTo to) {
  if (to == FlushTo::kHost) co_return success();
  const FileUse file = use();
  if (const int code = unreportedSyncError_.exchange(0); code != 0) co_return Error::fromErrno(code);
  // Also by a description for reading, when the writers have left (auto-read-only).
  if (!wasWritable_.load(std::memory_order_relaxed)) co_return success();
  co_return co_await sync(*file);
}

Task<Result<void>> HostFile::syncAfter(FileSlot& slot) {
  auto synced = co_await sync(slot);
  if (!synced.ok()) unreportedSyncError_ = synced.error().code();
  co_return synced;
}

Task<Result<void>> HostFile::ready(FileSlot& slot) {
  if (!slot.syncFirst.load(std::memory_order_acquire)) co_return success();
  const Mutex::Lock lock = co_await slot.syncing.lock();
  if (!slot.syncFirst.load(std::memory_order_acquire)) co_return success();
  auto synced = co_await syncAfter(slot);
  slot.syncFirst.store(false, std::memory_order_release);
  co_return synced;
}

Task<Result<void>> HostFile::allocate(Extent at, int mode, WriteFlags how) {
  const FileUse file = use();
  if (!file->access().writable) co_return Error::fromErrno(EROFS);
  CacheSides::Hold apart = sides_.tryEnter(sideOf(file->access()));
  if (!apart) apart = co_await sides_.enter(sideOf(file->access()));
  if (file->syncFirst.load(std::memory_order_acquire)) RHEA_CO_CHECK(co_await ready(*file));
  RHEA_CO_TRY(FileEngine * engine, Loop::current()->fileEngine(file->access().engine));
  FileRequest request(FileOp::kAllocate, file->fd(), at.offset);
  request.length = at.length;
  request.mode = mode;
  auto done = co_await engine->submit(request);
  if (!done.ok()) co_return done.takeError();
  if (how.isStable()) co_return co_await syncAfter(*file);
  co_return success();
}

}  // namespace rhea::block
