#include "emu/io/fd.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace rhea {

void Fd::reset() {
  // Linux releases the descriptor even when close() reports EINTR or EIO, so there is nothing to repeat.
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Result<Fd> Fd::duplicate() const {
  const int made = ::fcntl(fd_, F_DUPFD_CLOEXEC, 0);
  if (made < 0) return Error::fromErrno(errno);
  return Fd(made);
}

}  // namespace rhea
