// The common x87 instructions without loading and storing the whole state: with all exceptions masked and the registers
// that are needed in use (or, for a load, free), only the operands go through the host's registers. What does not fit
// takes the long way (fpu/native.h), which is exact for everything.
#pragma once

#include "target/x86/state.h"

namespace rhea::x86::fpu {

// As execute() in fpu/native.h, on `fpu` and `flags` themselves. False: not for this way, and nothing has changed.
bool quick(Fpu& fpu, unsigned opcode, unsigned modrm, void* memory, std::uint64_t& flags);

}  // namespace rhea::x86::fpu
