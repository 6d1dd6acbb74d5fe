// The areas of fxsave and xsave (SDM volume 1, chapters 10.5 and 13).
#pragma once

#include "target/x86/cpu.h"

namespace rhea::x86::fpu {

inline constexpr std::size_t kLegacySize = 512;
inline constexpr std::size_t kHeaderSize = 64;
inline constexpr std::size_t kAvxOffset = 576;  // in both formats: AVX is the first extended component
inline constexpr std::size_t kAvxSize = 256;

inline constexpr std::uint64_t kComponentX87 = 1, kComponentSse = 2, kComponentAvx = 4;

// Offsets in the legacy area.
inline constexpr std::size_t kMxcsrAt = 24, kStackAt = 32, kXmmAt = 160;

using LegacyArea = std::array<std::uint8_t, kLegacySize>;

// x87 fields and the stack, bytes 0 to 23 and 32 to 159. `wide`: pointers of 64 bits without selectors (REX.W).
void saveX87(const Fpu& fpu, bool wide, LegacyArea& to);
void loadX87(Fpu& fpu, bool wide, const LegacyArea& from);
// Registers that the mode has: 16 in 64-bit mode, else 8; from byte 160.
unsigned vectorCount(const Cpu& cpu);
void saveXmm(const Cpu& cpu, LegacyArea& to);
void loadXmm(Cpu& cpu, const LegacyArea& from);

std::uint32_t mxcsrOf(const LegacyArea& area);
void saveMxcsr(const Cpu& cpu, LegacyArea& to);

}  // namespace rhea::x86::fpu
