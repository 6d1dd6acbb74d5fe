// What the proof writes: content that tells, sector by sector, which write it came from and where it was meant to be.
#pragma once

#include "emu/base/base.h"

namespace rhea::block::prove {

// The unit of requests and of tearing, in bytes: a disk writes a sector whole or not at all.
constexpr std::uint64_t kSector = 512;

// Fills whole sectors that lie at `offset` of the disk with the mark of the change with this number (not 0).
void stamp(std::span<std::byte> sectors, std::uint64_t offset, std::uint32_t number);

// What a sector read from `offset` holds: the number of the change whose mark it is; 0: zeroes; none: anything else,
// be it damaged, mixed of two changes, or from another place.
std::optional<std::uint32_t> stampOf(std::span<const std::byte> sector, std::uint64_t offset);

}  // namespace rhea::block::prove
