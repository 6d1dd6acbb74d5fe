// The x87 exception that an earlier instruction left pending: every waiting x87 instruction, and every MMX one, asks.
#pragma once

#include "target/x86/cpu.h"

namespace rhea::x86::fpu {

inline constexpr std::uint16_t kStatusExceptions = 0x3f;
inline constexpr std::uint16_t kStatusSummary = 0x80;  // ES; B (0x8000) follows it
inline constexpr std::uint16_t kStatusBusy = 0x8000;

// True: #MF is recorded, return Outcome::kFault. With CR0.NE clear the machine's FERR# is raised instead and the
// instruction goes on, as with an IGNNE# that the board holds active.
inline bool exceptionPending(Cpu& cpu) {
  if ((cpu.st.fpu.status & kStatusSummary) == 0) [[likely]]
    return false;
  if (cpu.st.cr0 & kCr0Ne) {
    cpu.raise(kFpuError);
    return true;
  }
  if (cpu.environment().ferr) cpu.environment().ferr(true);
  return false;
}

}  // namespace rhea::x86::fpu
