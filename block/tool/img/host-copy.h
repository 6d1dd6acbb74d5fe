// Letting the host copy between two of its files: sharing blocks (reflink), or copying inside the kernel.
#pragma once

#include "emu/base/base.h"

namespace rhea::block {

struct HostCopy {
  HostCopy(int source, int target, std::uint64_t offset) : fromFile(source), toFile(target), from(offset) {}
  int fromFile;
  int toFile;
  std::uint64_t from;
  std::uint64_t to = 0;
  std::uint64_t length = 0;
};

// All of these block. Error: an errno value; the target's range is then undefined.
Result<void> cloneRange(const HostCopy& work);
Result<void> copyRange(const HostCopy& work);
// Whether the error means that it is not possible here, and not that it failed.
bool refusesRange(const Error& error);
Result<void> syncFile(int file);

}  // namespace rhea::block
