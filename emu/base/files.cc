#include "emu/base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "emu/base/size.h"

namespace rhea {

namespace {

// A descriptor for the length of a function; emu/io's Fd stands to the right of this room.
struct Closed {
  ~Closed() {
    if (fd >= 0) ::close(fd);
  }
  int fd;
};

Error failed(const char* what, const std::string& path) {
  return Error::fromErrno(errno, fmt::format("cannot {} '{}'", what, path));
}

Result<void> writeAll(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed("write", path);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return success();
}

Result<void> fillAndRename(int fd, const std::string& draft, const std::string& path, std::string_view text) {
  RHEA_CHECK(writeAll(fd, text, draft));
  if (::fsync(fd) != 0) return failed("sync", draft);
  if (::rename(draft.c_str(), path.c_str()) != 0) return failed("replace", path);
  return success();
}

}  // namespace

Result<void> writeFileAtomically(const std::string& path, std::string_view text, mode_t mode) {
  std::string draft = path + ".XXXXXX";
  const Closed file{::mkostemp(draft.data(), O_CLOEXEC)};
  if (file.fd < 0) return failed("create a file beside", path);
  if (::fchmod(file.fd, mode) != 0) {
    Error error = failed("set the mode of", draft);
    ::unlink(draft.c_str());
    return error;
  }
  if (Result<void> replaced = fillAndRename(file.fd, draft, path, text); !replaced.ok()) {
    ::unlink(draft.c_str());
    return replaced;
  }
  // The name is in place; its durability is the folder's. A folder that cannot be synced is no reason to fail.
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
  const Closed parent{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (parent.fd >= 0) ::fsync(parent.fd);
  return success();
}

Result<std::string> readFile(const std::string& path, std::size_t most) {
  const Closed file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) return failed("open", path);
  std::string text;
  std::array<char, 16384> piece;
  while (true) {
    const ssize_t got = ::read(file.fd, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("read", path);
    if (got == 0) return text;
    if (text.size() + static_cast<std::size_t>(got) > most) {
      return Error(fmt::format("'{}' is too long: more than {}", path, formatSize(most)));
    }
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace rhea
