// PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM (SDM volume 2, 4.1).
#pragma once

#include "target/x86/simd/lanes.h"

namespace rhea::x86::simd {

struct TextResult {
  std::uint32_t bits;  // IntRes2: a bit per element of the second operand
  bool carry;          // bits is not zero
  bool zero;           // the second operand ends within its register
  bool sign;           // the first operand does
  bool overflow;       // bits' lowest
};

// With the lengths found by a zero element (the "implicit" forms).
TextResult compareText(Vec a, Vec b, std::uint8_t imm);
// With lengths from EAX/RAX and EDX/RDX, sign-extended to 64 bits; their magnitude counts.
TextResult compareText(Vec a, std::int64_t lengthA, Vec b, std::int64_t lengthB, std::uint8_t imm);

// What the ...I forms put into ECX and the ...M forms into XMM0.
std::uint32_t textIndex(const TextResult& result, std::uint8_t imm);
Vec textMask(const TextResult& result, std::uint8_t imm);

}  // namespace rhea::x86::simd
