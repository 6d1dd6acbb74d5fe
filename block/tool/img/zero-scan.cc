#include "block/tool/img/zero-scan.h"

#include <cstring>

namespace rhea::block {

namespace {

// Large enough for the vector units, small enough to stop early.
constexpr std::size_t kBlock = 256;

bool blockIsZero(const std::byte* memory) {
  std::uint64_t any = 0;
  for (std::size_t i = 0; i < kBlock; i += sizeof any) {
    std::uint64_t word;
    std::memcpy(&word, memory + i, sizeof word);
    any |= word;
  }
  return any == 0;
}

}  // namespace

bool isAllZero(std::span<const std::byte> memory) {
  std::size_t at = 0;
  for (; at + kBlock <= memory.size(); at += kBlock) {
    if (!blockIsZero(memory.data() + at)) return false;
  }
  return std::all_of(memory.begin() + static_cast<std::ptrdiff_t>(at), memory.end(),
                     [](std::byte each) { return each == std::byte{0}; });
}

std::optional<std::size_t> firstNonZero(std::span<const std::byte> memory) {
  std::size_t at = 0;
  while (at + kBlock <= memory.size() && blockIsZero(memory.data() + at)) at += kBlock;
  for (; at < memory.size(); ++at) {
    if (memory[at] != std::byte{0}) return at;
  }
  return std::nullopt;
}

std::optional<std::size_t> firstDifference(std::span<const std::byte> one, std::span<const std::byte> two) {
  constexpr std::size_t kStep = 4096;
  for (std::size_t at = 0; at < one.size(); at += kStep) {
    const std::size_t length = std::min(kStep, one.size() - at);
    if (std::memcmp(one.data() + at, two.data() + at, length) == 0) continue;
    for (std::size_t i = at; i < at + length; ++i) {
      if (one[i] != two[i]) return i;
    }
  }
  return std::nullopt;
}

ZeroRun firstRun(std::span<const std::byte> memory, std::size_t granularity, std::size_t least) {
  ZeroRun run;
  if (least == 0) {
    run.length = memory.size();
    return run;
  }
  const auto zeroAt = [&](std::size_t at) {
    return isAllZero(memory.subspan(at, std::min(granularity, memory.size() - at)));
  };
  const auto zeroesFrom = [&](std::size_t at) {
    while (at < memory.size() && zeroAt(at)) at = std::min(at + granularity, memory.size());
    return at;
  };
  const std::size_t zeroes = zeroesFrom(0);
  if (zeroes >= least || zeroes == memory.size()) {
    run.length = zeroes;
    run.zero = zeroes != 0;
    return run;
  }
  std::size_t at = zeroes;
  while (at < memory.size()) {
    const std::size_t end = zeroesFrom(at);
    if (end - at >= least || (end == memory.size() && end > at)) break;
    at = end == at ? std::min(at + granularity, memory.size()) : end;
  }
  run.length = at;
  return run;
}

}  // namespace rhea::block
