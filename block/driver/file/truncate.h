// Setting a file's size, with its space laid out as asked.
#pragma once

#include "block/core/abilities.h"

namespace rhea::block {

struct TruncateWork {
  TruncateWork(int file, std::uint64_t bytes, Preallocation how, std::string name)
      : fd(file), length(bytes), preallocation(how), path(std::move(name)) {}
  int fd;  // open for writing; with or without O_DIRECT
  std::uint64_t length;
  Preallocation preallocation;
  std::string path;                                        // for messages
  std::function<bool(std::uint64_t, std::uint64_t)> step;  // done, total; false: give up. Called while writing.
};

// Blocking. New bytes read as zeroes. Errors leave the size as it was: no space, larger than the file system takes,
// preallocation when shrinking, `metadata`, which raw files have not got; ECANCELED when `step` said so.
Result<void> truncateFile(const TruncateWork& work);

}  // namespace rhea::block
