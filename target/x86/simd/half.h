// F16C: half precision from and to single, from the bits.
#pragma once

#include "target/x86/simd/float-lane.h"
#include "target/x86/simd/lanes.h"

namespace rhea::x86::simd {

// The four halves in the lower 64 bits.
Vec singlesFromHalves(MxcsrScope& scope, Vec halves);
// Into the lower 64 bits. imm[1:0] the rounding mode, imm[2] take MXCSR's instead.
Vec halvesFromSingles(MxcsrScope& scope, Vec singles, unsigned imm);

}  // namespace rhea::x86::simd
