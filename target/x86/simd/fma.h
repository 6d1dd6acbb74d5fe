// Fused multiply and add: one rounding. The host's instruction where the host has it, else computed from the bits.
#pragma once

#include "target/x86/simd/float-lane.h"
#include "target/x86/simd/lanes.h"

namespace rhea::x86::simd {

// The three operands as the instruction orders them: `a` the destination, `b` VEX.vvvv, `c` ModRM.rm. The form says
// what is multiplied and added: 132: a * c + b, 213: b * a + c, 231: b * c + a.
enum class FmaForm : std::uint8_t { k132, k213, k231 };
enum class FmaKind : std::uint8_t { kAdd, kSub, kNegativeAdd, kNegativeSub, kAddSub, kSubAdd };

// One 128-bit vector; scalar forms keep a's upper lanes. Within a MxcsrScope.
using FmaFunction = Vec (*)(MxcsrScope&, Vec a, Vec b, Vec c);

// From the bits, on any host.
template <class Bits>
Bits fusedMultiplyAdd(MxcsrScope& scope, Bits x, Bits y, Bits z);
template <class Bits>
Vec fusedInSoftware(MxcsrScope& scope, FmaForm form, FmaKind kind, Vec a, Vec b, Vec c, int lanes);

bool hostHasFma();

}  // namespace rhea::x86::simd
