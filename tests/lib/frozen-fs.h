// FrozenFs: a real file system (FUSE) that a test can make stop answering, operation by operation, or fail.
//
// It speaks the kernel's /dev/fuse protocol itself, so no library is needed, and it lives in a child process: a test
// that dies while it is frozen would otherwise wait for itself for ever. Nothing stays frozen for longer than 30
// seconds. The files are in memory, in one folder. As root it mounts by itself, else through fusermount3.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "tests/lib/temp-dir.h"

namespace rhea::test {

class FrozenFs {
 public:
  // What can be frozen or made to fail; bits.
  enum Operation : unsigned {
    kLookUp = 1,  // finding a name: the first thing in open and stat
    kStat = 2,
    kOpen = 4,
    kRead = 8,
    kWrite = 16,
    kSync = 32,   // fsync, fdatasync
    kClose = 64,  // close() waits for it
    kResize = 128,
    kLock = 256,  // fcntl's locks: all are granted, nobody else's is ever seen
    kAll = 511,
  };

  FrozenFs();
  // Ends the file system for everybody, also for those that still wait: they get ENOTCONN or ECONNABORTED.
  ~FrozenFs();
  FrozenFs(const FrozenFs&) = delete;
  FrozenFs& operator=(const FrozenFs&) = delete;

  bool ok() const { return why_.empty(); }
  const std::string& why() const { return why_; }  // where not ok(): for GTEST_SKIP

  const std::string& path() const { return dir_.path(); }
  // Makes a file full of `fill` bytes and returns its path. Not through the kernel, so it works while frozen.
  std::string makeFile(const std::string& name, std::size_t size, unsigned char fill = 0);

  // Operations of these kinds wait from now on; those of others go on.
  void freeze(unsigned operations = kAll);
  // Everything goes on, what was held first.
  void thaw();
  // How many operations wait now; and waits up to `milliseconds` until there are `count`.
  std::size_t held() const;
  bool waitHeld(std::size_t count, int milliseconds = 5000) const;

  // Operations of these kinds fail with this errno from now on; 0: no more.
  void fail(unsigned operations, int code);

 private:
  std::uint64_t ask(unsigned what, std::uint64_t one, std::uint64_t two, const std::string& name = "") const;

  TempDir dir_;
  std::string why_;
  int control_ = -1;
  pid_t server_ = -1;
};

}  // namespace rhea::test
