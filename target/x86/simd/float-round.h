// roundps, roundpd, roundss, roundsd, from the bits.
#pragma once

#include "target/x86/simd/float-lane.h"
#include "target/x86/simd/lanes.h"

namespace rhea::x86::simd {

// imm[1:0] the rounding mode, imm[2] take MXCSR's instead, imm[3] no precision exception. `lanes` of `b`, from the
// lowest, are rounded; the others are `a`'s.
template <class Bits>
Vec roundFloat(MxcsrScope& scope, Vec a, Vec b, unsigned imm, int lanes);

}  // namespace rhea::x86::simd
