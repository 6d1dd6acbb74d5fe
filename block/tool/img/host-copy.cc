#include "block/tool/img/host-copy.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

namespace rhea::block {

Result<void> cloneRange(const HostCopy& work) {
  file_clone_range range{};
  range.src_fd = work.fromFile;
  range.src_offset = work.from;
  range.src_length = work.length;
  range.dest_offset = work.to;
  if (::ioctl(work.toFile, FICLONERANGE, &range) != 0) return Error::fromErrno(errno);
  return success();
}

Result<void> copyRange(const HostCopy& work) {
  auto from = static_cast<off64_t>(work.from);
  auto to = static_cast<off64_t>(work.to);
  std::uint64_t left = work.length;
  while (left > 0) {
    const ssize_t copied = ::copy_file_range(work.fromFile, &from, work.toFile, &to, left, 0);
    if (copied < 0 && errno == EINTR) continue;
    if (copied < 0) return Error::fromErrno(errno);
    if (copied == 0) return Error::fromErrno(EOPNOTSUPP);  // beyond the source's end: read as zeroes the usual way
    left -= static_cast<std::uint64_t>(copied);
  }
  return success();
}

bool refusesRange(const Error& error) {
  const int code = error.code();
  return code == EOPNOTSUPP || code == EXDEV || code == EINVAL || code == ENOSYS || code == EBADF;
}

Result<void> syncFile(int file) {
  if (::fdatasync(file) != 0) return Error::fromErrno(errno);
  return success();
}

}  // namespace rhea::block
