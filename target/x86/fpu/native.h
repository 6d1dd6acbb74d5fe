// Executes x87 instructions by the host's own: the guest's x87 state is loaded, the instruction runs with the guest's
// control word - also with exceptions unmasked, for these become pending only - and the state is stored again. Nothing
// is left in the host's x87 registers, and its control word is the default again.
#pragma once

#include "target/x86/cpu.h"

namespace rhea::x86::fpu {

inline constexpr std::uint16_t kStatusConditions = 0x4700;
inline constexpr std::uint16_t kStatusTop = 0x3800;
inline constexpr std::uint16_t kStatusSticky = 0x7f;  // exceptions and stack fault
inline constexpr std::uint16_t kControlValid = 0x1f7f;
inline constexpr std::uint16_t kControlFixed = 0x40;  // always reads as one
inline constexpr std::uint16_t kControlInitial = 0x37f;

// The image of fnsave and frstor in 32-bit protected format (SDM volume 1, figure 8-9).
struct Image {
  std::uint32_t control, status, tag, ip, selectors, dp, dpSelector;
  std::array<std::array<std::uint8_t, 10>, 8> stack;  // st(0) first
};
static_assert(sizeof(Image) == 108);

// ES and B as flags and masks have it.
std::uint16_t withSummary(std::uint16_t status, std::uint16_t control);

struct NativeResult {
  Fpu state;
  std::uint64_t flags;  // EFLAGS as the instruction left them
  bool completed;       // no unmasked exception kept it from writing its destination
};
// `opcode` 0xd8 to 0xdf; `modrm` with mod 3, or the reg field alone where `memory` is the operand's bytes (read and
// written). `flags`: EFLAGS before.
NativeResult execute(const Fpu& before, unsigned opcode, unsigned modrm, void* memory, std::uint64_t flags);

// The whole state in the host's registers while translated code runs. It fits where every exception is masked, so that
// none is pending and none becomes so. The pointers to the last instruction and operand are not part of it. While it is
// there nothing else may use x87 or MMX instructions; storing it leaves the host's registers empty again.
bool fitsHost(const Fpu& fpu);
void loadToHost(const Fpu& fpu);
void storeFromHost(Fpu& fpu);

// Whether emms sets TOP to 0 on this host, as AMD's CPUs do and the SDM does not say.
bool emmsClearsTop();

// One x87 instruction and a return, as code: with registers, `modrm` with mod 3; or with memory, whose address is in
// RSI.
const void* instructionOnRegisters(unsigned opcode, unsigned modrm);
const void* instructionOnMemory(unsigned opcode, unsigned reg);

// The full tag word of a state: 0 valid, 1 zero, 2 special, 3 empty, two bits per physical register.
std::uint16_t fullTags(const Fpu& fpu);

}  // namespace rhea::x86::fpu
