// Opening a host file or device: the blocking part, with errors that say what to do. Call off the loop.
#pragma once

#include <sys/types.h>

#include "block/driver/file/direct-io.h"
#include "emu/io/fd.h"

namespace rhea {
class FdSets;
}

namespace rhea::block {

enum class HostFileKind : std::uint8_t {
  kRegular,  // driver file
  kDevice,   // host_device: a block device
  kCdrom,    // host_cdrom: a block device whose medium may be absent
};

struct HostFileWish {
  HostFileWish(std::string name, HostFileKind what, bool forWriting)
      : path(std::move(name)), kind(what), writable(forWriting) {}
  std::string path;
  HostFileKind kind;
  bool writable;
  bool direct = false;
  const FdSets* sets = nullptr;  // for /dev/fdset/N; null: this program has none
  int nameless = -1;             // openHostFile() only: a descriptor of the file, which has no name
};

struct OpenedFile {
  Fd fd;
  bool writable = false;
  bool direct = false;
  DirectAlignment alignment;  // where direct
  std::uint64_t length = 0;   // bytes
  dev_t device = 0;           // of the inode, or the device itself for a block device
  ino_t inode = 0;
};

// Errors: missing, no permission, a directory or fifo, a file system without O_DIRECT, a device without a medium; all
// with the path, and a hint where there is something to do.
Result<OpenedFile> openHostFile(const HostFileWish& wish);

// A second open file description of the file behind `fd`, with the wish's access: through /proc/self/fd, so that a
// rename, an unlink, a changed directory or dropped privileges on the path do not matter. For a descriptor set first a
// member that has exactly this access. Errors: as above, and when it turned out to be another file.
Result<OpenedFile> reopenHostFile(int fd, const HostFileWish& wish);

// Bytes of the regular file or block device. Error: errno with `path`.
Result<std::uint64_t> hostFileLength(int fd, const std::string& path);

}  // namespace rhea::block
