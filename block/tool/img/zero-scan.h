// Finding zeroes in memory, at the speed of memory.
#pragma once

#include "emu/base/base.h"

namespace rhea::block {

// Whether every byte is zero.
bool isAllZero(std::span<const std::byte> memory);
// The first byte that differs, counted from the start; nothing where the two (of one length) are equal.
std::optional<std::size_t> firstDifference(std::span<const std::byte> one, std::span<const std::byte> two);
std::optional<std::size_t> firstNonZero(std::span<const std::byte> memory);

struct ZeroRun {
  std::size_t length = 0;
  bool zero = false;
};

// The run that `memory` begins with: zeroes in pieces of `granularity` bytes, or what is to be written. Runs of zeroes
// shorter than `least` bytes count as data. 0 as `least`: all of it is data.
ZeroRun firstRun(std::span<const std::byte> memory, std::size_t granularity, std::size_t least);

}  // namespace rhea::block
