// PidFile: the file that -pidfile names, locked as long as the process lives and removed at its end.
#pragma once

#include "emu/base/base.h"
#include "emu/io/fd.h"

namespace rhea {

class PidFile {
 public:
  // Writes this process's number. Errors: what the host says; another process holds the lock, and which.
  static Result<PidFile> create(std::string path);
  PidFile(PidFile&&) = default;
  PidFile& operator=(PidFile&&) = default;
  ~PidFile();
  // Also from a thread that ends the process.
  void remove() const;

 private:
  PidFile(std::string path, Fd file) : path_(std::move(path)), file_(std::move(file)) {}
  std::string path_;  // absolute
  Fd file_;           // holds the lock
};

}  // namespace rhea
