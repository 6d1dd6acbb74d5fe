// Mounted: a file system of a kind, mounted for one test (root only) and gone with it.
#pragma once

#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "tests/lib/temp-dir.h"

namespace rhea::test {

class Mounted {
 public:
  // "tmpfs" with "size=1m", "ramfs" with "".
  Mounted(const std::string& type, const std::string& options) {
    ok_ = mount("rhea-test", dir_.path().c_str(), type.c_str(), MS_NOSUID | MS_NODEV, options.c_str()) == 0;
    if (!ok_) why_ = "mounting " + type + ": " + std::strerror(errno);
  }
  ~Mounted() {
    if (ok_) umount2(dir_.path().c_str(), MNT_DETACH);
  }
  Mounted(const Mounted&) = delete;
  Mounted& operator=(const Mounted&) = delete;

  bool ok() const { return ok_; }
  const std::string& why() const { return why_; }  // where not ok(): for GTEST_SKIP
  const TempDir& dir() const { return dir_; }

 private:
  TempDir dir_;
  bool ok_ = false;
  std::string why_;
};

}  // namespace rhea::test
