#include "block/tool/prove/pattern.h"

namespace rhea::block::prove {

namespace {

constexpr std::size_t kWord = sizeof(std::uint64_t);

// The number in the upper half, so that a word is never zero; below it a hash of number and place.
std::uint64_t wordOf(std::uint64_t offset, std::uint32_t number) {
  std::uint64_t mixed = (offset / kWord) * 0x9e3779b97f4a7c15ULL ^ (std::uint64_t{number} * 0xc2b2ae3d27d4eb4fULL);
  mixed ^= mixed >> 29;
  mixed *= 0xbf58476d1ce4e5b9ULL;
  return (std::uint64_t{number} << 32) | (mixed >> 32);
}

std::uint64_t loadWord(std::span<const std::byte> from, std::size_t at) {
  std::uint64_t word = 0;
  std::memcpy(&word, from.data() + at, kWord);
  return word;
}

}  // namespace

void stamp(std::span<std::byte> sectors, std::uint64_t offset, std::uint32_t number) {
  for (std::size_t at = 0; at + kWord <= sectors.size(); at += kWord) {
    const std::uint64_t word = wordOf(offset + at, number);
    std::memcpy(sectors.data() + at, &word, kWord);
  }
}

std::optional<std::uint32_t> stampOf(std::span<const std::byte> sector, std::uint64_t offset) {
  const std::uint64_t first = loadWord(sector, 0);
  const auto number = static_cast<std::uint32_t>(first >> 32);
  for (std::size_t at = 0; at + kWord <= sector.size(); at += kWord) {
    const std::uint64_t expected = first == 0 ? 0 : wordOf(offset + at, number);
    if (loadWord(sector, at) != expected) return std::nullopt;
  }
  return number;
}

}  // namespace rhea::block::prove
