#include "emu/pid-file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace rhea {

namespace {

struct flock wholeFile(short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

Error held(const std::string& path, int file) {
  struct flock lock = wholeFile(F_WRLCK);
  std::string holder = "another process";
  if (::fcntl(file, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) holder = fmt::format("process {}", lock.l_pid);
  return Error(fmt::format("the pid file '{}' belongs to {}, which runs", path, holder))
      .hint("end it first, or choose another file");
}

bool isSameFile(const std::string& path, int file) {
  struct stat byName {};
  struct stat byFd {};
  return ::stat(path.c_str(), &byName) == 0 && ::fstat(file, &byFd) == 0 && byName.st_ino == byFd.st_ino &&
         byName.st_dev == byFd.st_dev;
}

}  // namespace

Result<PidFile> PidFile::create(std::string path) {
  std::error_code ignored;
  path = std::filesystem::absolute(path, ignored).string();
  // A holder that ends removes its file: then the lock is on a file without a name, and the turn is repeated.
  constexpr int kTurns = 100;
  for (int turn = 0; turn < kTurns; ++turn) {
    Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (!file) return Error::fromErrno(errno, fmt::format("cannot write the pid file '{}'", path));
    struct flock lock = wholeFile(F_WRLCK);
    if (::fcntl(file.get(), F_SETLK, &lock) != 0) return held(path, file.get());
    if (!isSameFile(path, file.get())) continue;
    const std::string text = fmt::format("{}\n", ::getpid());
    if (::ftruncate(file.get(), 0) != 0 || ::pwrite(file.get(), text.data(), text.size(), 0) != ssize_t(text.size())) {
      return Error::fromErrno(errno, fmt::format("cannot write the pid file '{}'", path));
    }
    return PidFile(std::move(path), std::move(file));
  }
  return Error(fmt::format("the pid file '{}' is made and removed again and again by others", path));
}

PidFile::~PidFile() { remove(); }

void PidFile::remove() const {
  if (file_.valid() && isSameFile(path_, file_.get())) ::unlink(path_.c_str());
}

}  // namespace rhea
