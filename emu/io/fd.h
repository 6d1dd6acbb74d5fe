// Fd: an owned file descriptor. Closing a file of a hung file system can hang: see closeOffLoop().
#pragma once

#include "emu/base/base.h"

namespace rhea {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() { reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  explicit operator bool() const { return valid(); }
  int release() { return std::exchange(fd_, -1); }
  void reset();
  // A duplicate with close-on-exec.
  Result<Fd> duplicate() const;

 private:
  int fd_ = -1;
};

}  // namespace rhea
