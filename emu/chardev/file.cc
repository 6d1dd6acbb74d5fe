#include "emu/chardev/file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "emu/chardev/single-stream.h"
#include "emu/io/offload.h"

namespace rhea::chardev {

namespace {

class HostFile final : public SingleStream {
 public:
  HostFile(Outlet& outlet, FdStream::Ends ends, std::string_view kind, const std::string& path) : kind_(kind) {
    open(std::make_shared<FdStream>(outlet, std::move(ends), fmt::format("{}:{}", kind, path), [] {}));
  }
  std::string filename() const override { return kind_; }

 private:
  std::string kind_;
};

Result<Fd> openPath(const FdSets* fdSets, const std::string& path, int flags) {
  if (fdSets != nullptr && FdSets::isSetName(path)) {
    RHEA_TRY(Fd fd, fdSets->open(path, flags));
    if ((flags & O_TRUNC) != 0 && ftruncate(fd.get(), 0) != 0 && errno != EINVAL) {
      return Error::fromErrno(errno, fmt::format("cannot empty '{}'", path));
    }
    if ((flags & O_APPEND) != 0) fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) | O_APPEND);
    return fd;
  }
  Fd fd(::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY, 0666));
  if (!fd.valid()) return Error::fromErrno(errno, fmt::format("cannot open '{}'", path)).where(path);
  return fd;
}

// One FIFO or device. Opened for both ways, because a FIFO opened for one blocks until the other side comes.
Result<Fd> openFifo(const std::string& path) {
  RHEA_TRY(Fd fd, openPath(nullptr, path, O_RDWR | O_NONBLOCK));
  struct stat status = {};
  if (fstat(fd.get(), &status) == 0 && (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode))) {
    return Error(fmt::format("'{}' is not a pipe", path)).expected("a FIFO or a device").hint("mkfifo makes one");
  }
  return fd;
}

Result<FdStream::Ends> openPipeEnds(const std::string& path) {
  Result<Fd> in = openFifo(path + ".in");
  Result<Fd> out = openFifo(path + ".out");
  if (in.ok() && out.ok()) return FdStream::Ends(*std::move(in), *std::move(out));
  Result<Fd> both = openFifo(path);
  if (both.ok()) return FdStream::Ends(*std::move(both));
  return both.takeError().hint(fmt::format("make one FIFO '{0}', or two: '{0}.in' and '{0}.out'", path));
}

}  // namespace

Result<Fd> openForWriting(const FdSets& fdSets, const std::string& path, bool append) {
  return openPath(&fdSets, path, O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC));
}

Task<Result<std::unique_ptr<Backend>>> openFile(Outlet& outlet, FdSets& fdSets, FileOptions options) {
  auto open = [&fdSets, &options]() -> Result<FdStream::Ends> {
    RHEA_TRY(Fd out, openForWriting(fdSets, options.out, options.append));
    Fd in;
    if (options.in) {
      RHEA_TRY(in, openPath(&fdSets, *options.in, O_RDONLY));
    }
    FdStream::Ends ends(std::move(in), std::move(out));
    ends.closesAtEnd = false;
    return ends;
  };
  RHEA_CO_TRY(FdStream::Ends ends, co_await offload(open));
  co_return std::unique_ptr<Backend>(std::make_unique<HostFile>(outlet, std::move(ends), "file", options.out));
}

Task<Result<std::unique_ptr<Backend>>> openPipe(Outlet& outlet, PipeOptions options) {
  auto open = [&options] { return openPipeEnds(options.path); };
  RHEA_CO_TRY(FdStream::Ends ends, co_await offload(open));
  co_return std::unique_ptr<Backend>(std::make_unique<HostFile>(outlet, std::move(ends), "pipe", options.path));
}

}  // namespace rhea::chardev
