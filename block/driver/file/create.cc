#include "block/driver/file/create.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "block/driver/file/image-lock.h"
#include "block/driver/file/truncate.h"
#include "block/driver/preallocation.h"
#include "emu/io/fd-sets.h"
#include "emu/io/fd.h"
#include "emu/io/offload.h"

namespace rhea::block {

namespace {

constexpr mode_t kMode = 0644;

struct MadeFile {
  Fd fd;
  bool isNew = false;
};

Result<MadeFile> makeOrOpen(const std::string& path, const FdSets* sets) {
  MadeFile made;
  if (FdSets::isSetName(path)) {
    if (sets == nullptr) return Error(fmt::format("'{}': this program has no descriptor sets", path));
    RHEA_TRY(made.fd, sets->open(path, O_RDWR));
    return made;
  }
  made.fd = Fd(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, kMode));
  made.isNew = made.fd.valid();
  // Not O_TRUNC: what somebody else holds must not be cut before that is known.
  if (!made.isNew && errno == EEXIST) made.fd = Fd(open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (made.fd.valid()) return made;
  const int code = errno;
  Error error = Error::fromErrno(code, fmt::format("cannot create '{}'", path));
  if (code == ENOENT) return std::move(error).hint("the folder that it is to be in does not exist");
  return error;
}

Result<void> checkRegular(int fd, const std::string& path) {
  struct stat seen {};
  if (fstat(fd, &seen) != 0) return Error::fromErrno(errno, fmt::format("cannot examine '{}'", path));
  if (S_ISREG(seen.st_mode)) return success();
  return Error(fmt::format("'{}' exists and is no regular file", path)).hint("choose another name");
}

struct CreateWork {
  std::string path;
  std::uint64_t size;
  Preallocation preallocation;
  const FdSets* sets;
  Progress* progress;
  CancelToken cancel;

  Result<void> build(int fd) const {
    RHEA_CHECK(checkRegular(fd, path));
    // Writing and resizing, and nobody else may resize: what other creators of images take.
    const std::uint32_t resize = lockBit(LockBit::kResize);
    if (probeLocks(fd).ok()) RHEA_CHECK(claimLocks(fd, {}, {lockBit(LockBit::kWrite) | resize, resize}, path));
    RHEA_CHECK(truncateFile(TruncateWork(fd, 0, Preallocation::kOff, path)));
    TruncateWork work(fd, size, preallocation, path);
    work.step = [this](std::uint64_t done, std::uint64_t total) {
      progress->set(done, total);
      return !cancel.requested();
    };
    RHEA_CHECK(truncateFile(work));
    progress->set(size, size);
    return success();
  }

  // Blocking.
  Result<void> operator()() const {
    RHEA_TRY(MadeFile made, makeOrOpen(path, sets));
    auto built = build(made.fd.get());
    if (!built.ok() && made.isNew) unlink(path.c_str());
    if (!built.ok() && cancel.requested()) return cancel.reason();
    return built;
  }
};

}  // namespace

Task<Result<void>> createFile(CreateContext context, DriverOptions options) {
  const auto& given = options.as<qapi::BlockdevCreateOptionsFile>();
  const CreateWork work{
      given.filename,    given.size,    preallocationOf(given.preallocation), context.services.find<FdSets>(),
      &context.progress, context.cancel};
  co_return co_await offload(work);
}

}  // namespace rhea::block
