#include "block/driver/file/truncate.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "emu/io/fd.h"

namespace rhea::block {

namespace {

constexpr std::size_t kChunk = std::size_t{1} << 20;

Result<void> setSize(int fd, std::uint64_t length) {
  while (ftruncate(fd, static_cast<off_t>(length)) != 0) {
    if (errno != EINTR) return Error::fromErrno(errno);
  }
  return success();
}

Result<void> reserve(int fd, std::uint64_t from, std::uint64_t to) {
  while (fallocate(fd, 0, static_cast<off_t>(from), static_cast<off_t>(to - from)) != 0) {
    if (errno != EINTR) return Error::fromErrno(errno);
  }
  return success();
}

Result<void> fill(const TruncateWork& work, std::uint64_t from) {
  // Through the page cache: an odd end is not for O_DIRECT. fdatasync at the end makes sure that the space is there.
  const Fd buffered(open(fmt::format("/proc/self/fd/{}", work.fd).c_str(), O_WRONLY | O_CLOEXEC));
  if (!buffered.valid()) return Error::fromErrno(errno);
  const std::vector<char> zeroes(kChunk);
  std::uint64_t at = from;
  while (at < work.length) {
    const auto bytes = static_cast<std::size_t>(std::min<std::uint64_t>(kChunk, work.length - at));
    const ssize_t done = pwrite(buffered.get(), zeroes.data(), bytes, static_cast<off_t>(at));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return Error::fromErrno(errno);
    at += static_cast<std::uint64_t>(done);
    if (work.step && !work.step(at - from, work.length - from)) return Error::fromErrno(ECANCELED);
  }
  if (fdatasync(buffered.get()) != 0) return Error::fromErrno(errno);
  return success();
}

Result<void> grow(const TruncateWork& work, std::uint64_t from) {
  switch (work.preallocation) {
    case Preallocation::kFalloc:
      return reserve(work.fd, from, work.length);
    case Preallocation::kFull:
      return fill(work, from);
    case Preallocation::kOff:
    case Preallocation::kMetadata:
      break;
  }
  return setSize(work.fd, work.length);
}

Error explain(const Error& error, const TruncateWork& work, std::uint64_t from) {
  Error told = Error::fromErrno(error.code(),
                                fmt::format("cannot resize '{}' from {} to {} bytes", work.path, from, work.length));
  if (error.code() == ENOSPC || error.code() == EDQUOT) {
    return std::move(told).hint("free space on the file system, or choose preallocation=off for a sparse file");
  }
  if (error.code() == EFBIG)
    return std::move(told).hint("the file system or a limit (ulimit -f) takes no file so large");
  if (error.code() == EOPNOTSUPP)
    return std::move(told).hint("the file system cannot reserve space: use preallocation=full");
  return told;
}

}  // namespace

Result<void> truncateFile(const TruncateWork& work) {
  struct stat seen {};
  if (fstat(work.fd, &seen) != 0) return Error::fromErrno(errno, fmt::format("cannot examine '{}'", work.path));
  const auto from = static_cast<std::uint64_t>(seen.st_size);
  if (work.length > static_cast<std::uint64_t>(INT64_MAX)) {
    return Error(fmt::format("'{}' cannot have {} bytes", work.path, work.length)).expected("less than 2^63 bytes");
  }
  if (work.preallocation == Preallocation::kMetadata) {
    return Error(fmt::format("'{}' has no metadata to preallocate", work.path)).candidates({"off", "falloc", "full"});
  }
  if (work.preallocation != Preallocation::kOff && work.length < from) {
    return Error(fmt::format("'{}' is {} bytes long: nothing can be preallocated while it shrinks to {}", work.path,
                             from, work.length))
        .hint("use preallocation=off");
  }
  auto done = work.length > from ? grow(work, from) : setSize(work.fd, work.length);
  if (done.ok()) return done;
  static_cast<void>(setSize(work.fd, from));
  return explain(done.error(), work, from);
}

}  // namespace rhea::block
