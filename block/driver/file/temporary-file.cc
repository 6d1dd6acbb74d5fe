#include "block/driver/file/temporary-file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "block/driver/file/host-file.h"

namespace rhea::block {

namespace {

constexpr mode_t kOwnerOnly = 0600;

// Which file systems know O_TMPFILE the kernel tells by these: EISDIR before it knew the flag at all.
bool isWithoutNameless(int code) { return code == EOPNOTSUPP || code == EISDIR || code == EINVAL; }

Result<Fd> makeNamed(const std::string& folder) {
  std::string path = folder + "/rhea-overlay-XXXXXX";
  Fd fd(mkostemp(path.data(), O_CLOEXEC));
  if (!fd.valid()) return Error::fromErrno(errno, fmt::format("cannot make a temporary file in '{}'", folder));
  if (unlink(path.c_str()) != 0) return Error::fromErrno(errno, fmt::format("cannot remove '{}'", path));
  return fd;
}

std::string shownName(int fd, const std::string& folder) {
  std::array<char, 4096> buffer{};
  const ssize_t length = readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), buffer.data(), buffer.size());
  if (length <= 0) return fmt::format("{}/(deleted)", folder);
  return {buffer.data(), static_cast<std::size_t>(length)};
}

}  // namespace

Result<TemporaryFile> makeTemporaryFile(const std::string& folder) {
  TemporaryFile file;
  file.fd = Fd(open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, kOwnerOnly));
  if (!file.fd.valid()) {
    if (!isWithoutNameless(errno)) {
      return Error::fromErrno(errno, fmt::format("cannot make a temporary file in '{}'", folder));
    }
    RHEA_TRY(file.fd, makeNamed(folder));
  }
  file.name = shownName(file.fd.get(), folder);
  return file;
}

DriverOptions optionsOf(const TemporaryFile& file, std::optional<FileEngineKind> aio) {
  HostFileOptions own;
  own.filename = file.name;
  own.locking = Locking::kOff;
  own.aio = aio;
  own.nameless = file.fd.get();
  return DriverOptions::of(std::move(own));
}

}  // namespace rhea::block
