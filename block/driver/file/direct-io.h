// Direct I/O (O_DIRECT): what alignment a file wants, asked of the kernel where it tells, else found by reading.
#pragma once

#include "emu/base/base.h"

namespace rhea::block {

struct DirectAlignment {
  std::uint32_t memory = 4096;  // bytes: addresses of buffers
  std::uint32_t offset = 4096;  // bytes: offset and length of requests
  enum class Source : std::uint8_t { kKernel, kProbed, kAssumed };
  Source source = Source::kAssumed;  // kAssumed: every try was let through or refused, so 4096 is taken
};

std::string_view toString(DirectAlignment::Source source);

// The alignment that `fd`, opened with O_DIRECT, wants. `path` is for messages. Blocking.
// Errors: the file system takes the flag but no direct read of any alignment (EINVAL to all of them).
Result<DirectAlignment> probeDirect(int fd, const std::string& path);

// What the kernel says without trying, of any descriptor of the file; empty where it does not tell. `possible` false:
// the file system refuses O_DIRECT for this file.
struct DirectAnswer {
  bool possible = false;
  DirectAlignment alignment;
};
std::optional<DirectAnswer> askDirect(int fd);

// The error for an open or F_SETFL that was refused with O_DIRECT set; names the file, its file system and the mode.
Error directRefused(int code, const std::string& path);

}  // namespace rhea::block
