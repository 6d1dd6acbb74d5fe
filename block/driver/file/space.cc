// Space of a file: holes, zeroes, what is allocated, and its size.
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include <cerrno>

#include "block/driver/file/file.h"
#include "block/driver/file/truncate.h"
#include "emu/io/offload.h"

namespace rhea::block {

namespace {

bool unsupported(const Error& error) {
  const int code = error.code();
  return code == EOPNOTSUPP || code == ENOSYS || code == EINVAL || code == ENODEV;
}

struct Span {
  std::uint64_t end = 0;
  bool data = true;
  bool endOfFile = false;
};

// What `offset` lies in. Other programs may punch, write or cut the file between the calls: any answer then is one that
// was true at some moment, and never empty. Blocking.
Span spanAt(int fd, std::uint64_t offset, std::uint64_t length) {
  const off_t from = static_cast<off_t>(offset);
  const Span toTheEnd{length, true, true};
  const off_t data = lseek(fd, from, SEEK_DATA);
  if (data < 0 && errno == ENXIO) return {length, false, true};  // a hole up to the end, or cut behind us
  if (data < 0 || data < from) return toTheEnd;                  // not known here: all of it is data
  if (data > from) return {static_cast<std::uint64_t>(data), false, false};
  const off_t hole = lseek(fd, from, SEEK_HOLE);
  if (hole <= from) return toTheEnd;
  return {static_cast<std::uint64_t>(hole), true, false};
}

}  // namespace

Task<Result<void>> FileDriver::tryAllocate(Ability ability, Extent at, int mode, WriteFlags how) {
  if (refused_[ability].load(std::memory_order_relaxed)) co_return Error::fromErrno(EOPNOTSUPP);
  auto done = co_await allocate(at, mode, how);
  if (done.ok() || !unsupported(done.error())) co_return done;
  refused_[ability] = true;
  co_return Error::fromErrno(EOPNOTSUPP);
}

Task<Result<void>> FileDriver::discard(Extent at, WriteFlags how) {
  auto done = co_await tryAllocate(kPunch, at, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, how);
  countDiscard(done.ok(), at.length);
  co_return done;
}

Task<Result<void>> FileDriver::writeZeroes(Extent at, WriteFlags how) {
  // A hole ends at the end of the file, so growing takes ZERO_RANGE.
  const bool within = at.end() <= length();
  if (how.isMayUnmap() && within) {
    auto punched = co_await tryAllocate(kPunch, at, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, how);
    if (punched.ok() || punched.error().code() != EOPNOTSUPP) co_return punched;
  }
  auto zeroed = co_await tryAllocate(kZeroRange, at, FALLOC_FL_ZERO_RANGE, how);
  if (zeroed.ok()) growTo(at.end());
  if (zeroed.ok() || zeroed.error().code() != EOPNOTSUPP || !within) co_return zeroed;
  // No ZERO_RANGE (tmpfs): a hole that is allocated again reads as zeroes and has its space.
  auto punched = co_await tryAllocate(kPunch, at, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, WriteFlags());
  if (!punched.ok()) co_return punched;
  co_return co_await allocate(at, 0, how);
}

Task<Result<BlockStatus>> FileDriver::status(Extent at, bool precise) {
  BlockStatus status(at.length);
  status.offset = at.offset;
  status.endOfFile = at.end() >= length();
  if (!precise) co_return status;
  const FileUse file = use();
  const auto look = [fd = file->fd(), at, size = length()] { return spanAt(fd, at.offset, size); };
  const Span span = co_await offload(look);
  // Rounded so that what is called a hole has no data in it.
  const std::uint64_t unit = file->access().limits().requestAlignment;
  std::uint64_t end = std::min(at.end(), std::max(span.end, at.offset));
  status.data = span.data;
  if (end < at.end()) end = span.data ? std::min((end + unit - 1) / unit * unit, at.end()) : end / unit * unit;
  if (end <= at.offset) {
    end = std::min(at.offset + unit, at.end());
    status.data = true;
  }
  status.zero = !status.data;
  status.length = end - at.offset;
  status.endOfFile = end >= length();
  co_return status;
}

Task<Result<void>> FileDriver::resize(std::uint64_t length, Preallocation preallocation) {
  const FileUse file = use();
  if (!file->access().writable) co_return Error::fromErrno(EROFS);
  const std::string path = fileName();
  const auto work = [fd = file->fd(), length, preallocation, path] {
    return truncateFile(TruncateWork(fd, length, preallocation, path));
  };
  auto done = co_await offload(work);
  if (done.ok()) setLength(length);
  co_return done;
}

}  // namespace rhea::block
