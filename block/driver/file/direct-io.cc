#include "block/driver/file/direct-io.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "block/driver/file/mount-facts.h"

namespace rhea::block {

namespace {

constexpr std::uint32_t kSafeAlignment = 4096;
constexpr std::array<std::uint32_t, 4> kTries = {512, 1024, 2048, 4096};

struct Freed {
  void operator()(void* memory) const { std::free(memory); }
};

// A direct read of one unit at `memoryShift` bytes into a page. Only EINVAL says "misaligned"; an I/O error of a bad
// sector or an end of file says that the alignment was accepted.
bool accepted(int fd, std::uint32_t length, std::uint32_t memoryShift, std::uint32_t offset) {
  std::unique_ptr<void, Freed> page(std::aligned_alloc(kSafeAlignment, std::size_t{4} * kSafeAlignment));
  ssize_t done = 0;
  do {
    done = pread(fd, static_cast<char*>(page.get()) + memoryShift, length, static_cast<off_t>(offset));
  } while (done < 0 && errno == EINTR);
  return done >= 0 || errno != EINVAL;
}

std::optional<DirectAlignment> toldByDevice(int fd) {
  struct stat seen {};
  int sector = 0;
  if (fstat(fd, &seen) != 0 || !S_ISBLK(seen.st_mode) || ioctl(fd, BLKSSZGET, &sector) != 0 || sector < 512) {
    return std::nullopt;
  }
  DirectAlignment alignment;
  alignment.source = DirectAlignment::Source::kKernel;
  alignment.memory = static_cast<std::uint32_t>(sector);
  alignment.offset = static_cast<std::uint32_t>(sector);
  return alignment;
}

}  // namespace

std::string_view toString(DirectAlignment::Source source) {
  switch (source) {
    case DirectAlignment::Source::kKernel:
      return "kernel";
    case DirectAlignment::Source::kProbed:
      return "probed";
    case DirectAlignment::Source::kAssumed:
      return "assumed";
  }
  return "assumed";
}

std::optional<DirectAnswer> askDirect(int fd) {
#ifdef STATX_DIOALIGN
  struct statx told {};
  if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &told) != 0 || (told.stx_mask & STATX_DIOALIGN) == 0) {
    return std::nullopt;
  }
  DirectAnswer answer;
  answer.possible = told.stx_dio_offset_align != 0;
  answer.alignment.source = DirectAlignment::Source::kKernel;
  answer.alignment.memory = std::max(told.stx_dio_mem_align, 1U);
  answer.alignment.offset = std::max(told.stx_dio_offset_align, 512U);
  return answer;
#else
  static_cast<void>(fd);
  return std::nullopt;
#endif
}

Result<DirectAlignment> probeDirect(int fd, const std::string& path) {
  if (const auto told = askDirect(fd)) {
    if (!told->possible) return directRefused(EINVAL, path);
    return told->alignment;
  }
  if (const auto told = toldByDevice(fd)) return *told;

  // A file system that lets a single byte through does not check here (end of file, a hole, a page cache behind it):
  // its answers mean nothing, and 4096 suits every one of them.
  if (accepted(fd, 1, 0, 0)) return DirectAlignment();
  DirectAlignment alignment;
  alignment.source = DirectAlignment::Source::kProbed;
  const auto offset =
      std::find_if(kTries.begin(), kTries.end(), [fd](std::uint32_t size) { return accepted(fd, size, 0, 0); });
  if (offset == kTries.end()) return directRefused(EINVAL, path);
  alignment.offset = *offset;
  const auto memory = std::find_if(kTries.begin(), kTries.end(),
                                   [fd](std::uint32_t shift) { return accepted(fd, kSafeAlignment, shift, 0); });
  alignment.memory = memory == kTries.end() ? kSafeAlignment : *memory;
  return alignment;
}

Error directRefused(int code, const std::string& path) {
  const MountFacts mount = mountFactsOf(path);
  if (code != EINVAL && code != EOPNOTSUPP) return Error::fromErrno(code, fmt::format("cannot open '{}'", path));
  const std::string where =
      mount.type.empty() ? std::string() : fmt::format(" (file system {} at {})", mount.type, mount.mountPoint);
  return Error::fromErrno(code,
                          fmt::format("'{}'{} refuses direct I/O (O_DIRECT), which cache.direct=on, cache=none and "
                                      "cache=directsync need",
                                      path, where))
      .hint("use cache=writeback or cache=writethrough, or put the file on a file system with direct I/O");
}

}  // namespace rhea::block
