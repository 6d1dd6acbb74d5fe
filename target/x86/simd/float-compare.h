// cmpps, cmppd, cmpss, cmpsd with all 32 predicates of VCMP, from the bits.
#pragma once

#include "target/x86/simd/float-lane.h"
#include "target/x86/simd/lanes.h"

namespace rhea::x86::simd {

// All ones where the predicate holds. `lanes`: how many lanes, from the lowest, are compared; the others stay `a`'s.
template <class Bits>
Vec compareFloat(MxcsrScope& scope, Vec a, Vec b, unsigned predicate, int lanes);

}  // namespace rhea::x86::simd
