#include "block/driver/file/opening.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "emu/io/fd-sets.h"

namespace rhea::block {

namespace {

int openFlags(const HostFileWish& wish) {
  // Non-blocking for the moment of opening only: a fifo or an empty drive must not hold the open.
  return (wish.writable ? O_RDWR : O_RDONLY) | (wish.direct ? O_DIRECT : 0) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
}

std::string_view kindName(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a fifo";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISCHR(mode)) return "a character device";
  if (S_ISBLK(mode)) return "a block device";
  if (S_ISREG(mode)) return "a regular file";
  return "something else";
}

Error wrongKind(const std::string& path, mode_t mode, HostFileKind wanted) {
  const bool wantsFile = wanted == HostFileKind::kRegular;
  Error error =
      Error(fmt::format("'{}' is {}", path, kindName(mode))).expected(wantsFile ? "a regular file" : "a block device");
  if (wantsFile && S_ISBLK(mode)) return std::move(error).hint("use the driver host_device for it");
  if (!wantsFile && S_ISREG(mode)) return std::move(error).hint("use the driver file for it");
  return error;
}

std::string workingFolder() {
  std::array<char, 4096> buffer;
  return getcwd(buffer.data(), buffer.size()) == nullptr ? std::string("?") : std::string(buffer.data());
}

Error missing(const std::string& path, HostFileKind kind) {
  Error error = Error::fromErrno(ENOENT, fmt::format("cannot open '{}'", path));
  if (kind != HostFileKind::kRegular) return std::move(error).expected("a block device of the host");
  const std::string create = "blockdev-create makes a new image";
  if (path.starts_with('/')) return std::move(error).hint(create);
  return std::move(error).hint(fmt::format("the path is relative to '{}'; {}", workingFolder(), create));
}

Error forbidden(int code, const HostFileWish& wish) {
  Error error =
      Error::fromErrno(code, fmt::format("cannot open '{}' for {}", wish.path, wish.writable ? "writing" : "reading"));
  struct stat seen {};
  if (code == EROFS) return std::move(error).hint("read-only=on opens it for reading");
  if (stat(wish.path.c_str(), &seen) != 0) {
    return std::move(error).hint(fmt::format("user {} may not search a folder on the way to it", geteuid()));
  }
  return std::move(error).hint(fmt::format(
      "it belongs to user {}, group {}, mode {:04o}; this program runs as user {}{}", seen.st_uid, seen.st_gid,
      seen.st_mode & 07777U, geteuid(), wish.writable ? "; read-only=on needs reading only" : ""));
}

bool directIsTheCause(int code, const HostFileWish& wish) {
  return wish.direct && (code == EINVAL || code == EOPNOTSUPP);
}

Error openError(int code, const HostFileWish& wish) {
  if (directIsTheCause(code, wish)) return directRefused(code, wish.path);
  switch (code) {
    case ENOENT:
      return missing(wish.path, wish.kind);
    case EACCES:
    case EPERM:
    case EROFS:
      return forbidden(code, wish);
    case EISDIR:
      return wrongKind(wish.path, S_IFDIR, wish.kind);
    case ENXIO:
      return Error::fromErrno(code, fmt::format("cannot open '{}'", wish.path)).expected("a regular file or device");
    case ENOMEDIUM:
      return Error::fromErrno(code, fmt::format("cannot open '{}'", wish.path)).hint("put a medium into the drive");
    default:
      return Error::fromErrno(code, fmt::format("cannot open '{}'", wish.path));
  }
}

Result<Fd> openPath(const std::string& path, const HostFileWish& wish) {
  Fd fd;
  do {
    fd = Fd(open(path.c_str(), openFlags(wish)));
  } while (!fd.valid() && errno == EINTR);
  if (!fd.valid()) return openError(errno, wish);
  return fd;
}

std::string pathOf(int fd) { return fmt::format("/proc/self/fd/{}", fd); }

bool isSet(const HostFileWish& wish) { return FdSets::isSetName(wish.path); }

// The member whose access fits. What it lacks of O_DIRECT comes from a description of our own where the file's
// permissions allow one; else the member is told to do it, which whoever shares the member sees as well.
Result<Fd> openMember(const HostFileWish& wish) {
  if (wish.sets == nullptr) return Error(fmt::format("'{}': this program has no descriptor sets", wish.path));
  RHEA_TRY(Fd member, wish.sets->open(wish.path, openFlags(wish)));
  const int flags = fcntl(member.get(), F_GETFL);
  if (((flags & O_DIRECT) != 0) == wish.direct) return member;
  HostFileWish quiet = wish;
  quiet.sets = nullptr;
  if (auto own = openPath(pathOf(member.get()), quiet); own.ok()) return own;
  if (fcntl(member.get(), F_SETFL, wish.direct ? flags | O_DIRECT : flags & ~O_DIRECT) != 0) {
    return openError(errno, wish);
  }
  return member;
}

Result<Fd> openFirst(const HostFileWish& wish) {
  if (wish.nameless >= 0) return openPath(pathOf(wish.nameless), wish);
  return isSet(wish) ? openMember(wish) : openPath(wish.path, wish);
}

Result<OpenedFile> examine(Fd fd, const HostFileWish& wish) {
  struct stat seen {};
  if (fstat(fd.get(), &seen) != 0) return Error::fromErrno(errno, fmt::format("cannot examine '{}'", wish.path));
  const bool fits = wish.kind == HostFileKind::kRegular ? S_ISREG(seen.st_mode) : S_ISBLK(seen.st_mode);
  if (!fits) return wrongKind(wish.path, seen.st_mode, wish.kind);
  const int flags = fcntl(fd.get(), F_GETFL);
  if (flags < 0 || fcntl(fd.get(), F_SETFL, flags & ~O_NONBLOCK) != 0) return Error::fromErrno(errno);

  OpenedFile opened;
  opened.writable = (flags & O_ACCMODE) == O_RDWR && wish.writable;
  opened.direct = (flags & O_DIRECT) != 0;
  opened.device = S_ISBLK(seen.st_mode) ? seen.st_rdev : seen.st_dev;
  opened.inode = seen.st_ino;
  auto length = S_ISREG(seen.st_mode) ? Result<std::uint64_t>(static_cast<std::uint64_t>(seen.st_size))
                                      : hostFileLength(fd.get(), wish.path);
  if (length.ok()) {
    opened.length = *length;
  } else if (wish.kind != HostFileKind::kCdrom) {
    return length.takeError();
  }
  if (opened.direct) {
    RHEA_TRY(opened.alignment, probeDirect(fd.get(), wish.path));
  }
  opened.fd = std::move(fd);
  return opened;
}

}  // namespace

Result<OpenedFile> openHostFile(const HostFileWish& wish) {
  RHEA_TRY(Fd fd, openFirst(wish));
  return examine(std::move(fd), wish);
}

Result<OpenedFile> reopenHostFile(int fd, const HostFileWish& wish) {
  struct stat before {};
  if (fstat(fd, &before) != 0) return Error::fromErrno(errno, fmt::format("cannot examine '{}'", wish.path));
  auto own = Result<Fd>(Error::fromErrno(EACCES));
  if (isSet(wish) && wish.sets != nullptr) {
    own = wish.sets->open(wish.path, openFlags(wish));
    const int flags = own.ok() ? fcntl(own->get(), F_GETFL) : 0;
    const bool exact = own.ok() && ((flags & O_DIRECT) != 0) == wish.direct;
    if (!exact) own = Result<Fd>(Error::fromErrno(EACCES));
  }
  if (!own.ok()) own = openPath(pathOf(fd), wish);
  if (!own.ok() && isSet(wish)) {
    return own.takeError().hint(fmt::format("add a descriptor of the file with that access to the set by add-fd"));
  }
  if (!own.ok()) return own.takeError();
  RHEA_TRY(OpenedFile opened, examine(*std::move(own), wish));
  const dev_t device = S_ISBLK(before.st_mode) ? before.st_rdev : before.st_dev;
  if (opened.device != device || (S_ISREG(before.st_mode) && opened.inode != before.st_ino)) {
    return Error(fmt::format("'{}' is another file than the one in use", wish.path));
  }
  return opened;
}

Result<std::uint64_t> hostFileLength(int fd, const std::string& path) {
  struct stat seen {};
  if (fstat(fd, &seen) != 0) return Error::fromErrno(errno, fmt::format("cannot examine '{}'", path));
  if (!S_ISBLK(seen.st_mode)) return static_cast<std::uint64_t>(seen.st_size);
  std::uint64_t bytes = 0;
  if (ioctl(fd, BLKGETSIZE64, &bytes) != 0) return Error::fromErrno(errno, fmt::format("cannot measure '{}'", path));
  return bytes;
}

}  // namespace rhea::block
