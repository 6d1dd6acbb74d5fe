// Integer arithmetic, logic, comparison and shifts.
#include "target/x86/simd/arith.h"
#include "target/x86/simd/exec.h"
#include "target/x86/simd/mmx.h"

namespace rhea::x86 {
namespace {

using namespace simd;
using I8 = std::int8_t;
using I16 = std::int16_t;
using I32 = std::int32_t;
using I64 = std::int64_t;
using U8 = std::uint8_t;
using U16 = std::uint16_t;
using U32 = std::uint32_t;
using U64 = std::uint64_t;

}  // namespace

RHEA_BINARY_MMX(paddb, add<U8>)
RHEA_BINARY_MMX(paddw, add<U16>)
RHEA_BINARY_MMX(paddd, add<U32>)
RHEA_BINARY_MMX(paddq, add<U64>)
RHEA_BINARY_MMX(psubb, sub<U8>)
RHEA_BINARY_MMX(psubw, sub<U16>)
RHEA_BINARY_MMX(psubd, sub<U32>)
RHEA_BINARY_MMX(psubq, sub<U64>)
RHEA_BINARY_MMX(paddsb, addSaturated<I8>)
RHEA_BINARY_MMX(paddsw, addSaturated<I16>)
RHEA_BINARY_MMX(paddusb, addSaturated<U8>)
RHEA_BINARY_MMX(paddusw, addSaturated<U16>)
RHEA_BINARY_MMX(psubsb, subSaturated<I8>)
RHEA_BINARY_MMX(psubsw, subSaturated<I16>)
RHEA_BINARY_MMX(psubusb, subSaturated<U8>)
RHEA_BINARY_MMX(psubusw, subSaturated<U16>)

RHEA_BINARY_MMX(pmullw, mulLow<I16>)
RHEA_BINARY(pmulld, mulLow<I32>)
RHEA_BINARY_MMX(pmulhw, mulHigh<I16>)
RHEA_BINARY_MMX(pmulhuw, mulHigh<U16>)
RHEA_BINARY_MMX(pmulhrsw, mulHighRounded)
RHEA_BINARY_MMX(pmuludq, mulEven<U32>)
RHEA_BINARY(pmuldq, mulEven<I32>)
RHEA_BINARY_MMX(pmaddwd, maddWords)
RHEA_BINARY_MMX(pmaddubsw, maddBytes)

RHEA_BINARY_MMX(pavgb, average<U8>)
RHEA_BINARY_MMX(pavgw, average<U16>)
RHEA_BINARY_MMX(pminub, minimum<U8>)
RHEA_BINARY_MMX(pmaxub, maximum<U8>)
RHEA_BINARY_MMX(pminsw, minimum<I16>)
RHEA_BINARY_MMX(pmaxsw, maximum<I16>)
RHEA_BINARY(pminsb, minimum<I8>)
RHEA_BINARY(pminuw, minimum<U16>)
RHEA_BINARY(pminsd, minimum<I32>)
RHEA_BINARY(pminud, minimum<U32>)
RHEA_BINARY(pmaxsb, maximum<I8>)
RHEA_BINARY(pmaxuw, maximum<U16>)
RHEA_BINARY(pmaxsd, maximum<I32>)
RHEA_BINARY(pmaxud, maximum<U32>)
RHEA_UNARY_MMX(pabsb, absolute<I8>)
RHEA_UNARY_MMX(pabsw, absolute<I16>)
RHEA_UNARY_MMX(pabsd, absolute<I32>)
RHEA_BINARY_MMX(psignb, sign<I8>)
RHEA_BINARY_MMX(psignw, sign<I16>)
RHEA_BINARY_MMX(psignd, sign<I32>)
RHEA_BINARY_MMX(psadbw, sumAbsoluteDifferences)

RHEA_BINARY_MMX(pcmpeqb, compareEqual<U8>)
RHEA_BINARY_MMX(pcmpeqw, compareEqual<U16>)
RHEA_BINARY_MMX(pcmpeqd, compareEqual<U32>)
RHEA_BINARY(pcmpeqq, compareEqual<U64>)
RHEA_BINARY_MMX(pcmpgtb, compareGreater<I8>)
RHEA_BINARY_MMX(pcmpgtw, compareGreater<I16>)
RHEA_BINARY_MMX(pcmpgtd, compareGreater<I32>)
RHEA_BINARY(pcmpgtq, compareGreater<I64>)

// andps, andpd and pand differ in name only.
RHEA_BINARY_MMX(pand, bitAnd)
RHEA_BINARY_MMX(pandn, bitAndNot)
RHEA_BINARY_MMX(por, bitOr)
RHEA_BINARY_MMX(pxor, bitXor)

RHEA_BINARY(phaddw, addNeighbours<U16>)
RHEA_BINARY(phaddd, addNeighbours<U32>)
RHEA_BINARY(phaddsw, addNeighboursSaturated)
RHEA_BINARY(phsubw, subNeighbours<U16>)
RHEA_BINARY(phsubd, subNeighbours<U32>)
RHEA_BINARY(phsubsw, subNeighboursSaturated)
RHEA_MMX_ONLY(phaddw, joinedMmx<addNeighbours<U16>>)
RHEA_MMX_ONLY(phaddd, joinedMmx<addNeighbours<U32>>)
RHEA_MMX_ONLY(phaddsw, joinedMmx<addNeighboursSaturated>)
RHEA_MMX_ONLY(phsubw, joinedMmx<subNeighbours<U16>>)
RHEA_MMX_ONLY(phsubd, joinedMmx<subNeighbours<U32>>)
RHEA_MMX_ONLY(phsubsw, joinedMmx<subNeighboursSaturated>)
RHEA_UNARY(phminposuw, minimumWordAndPlace)
RHEA_SSE_ONLY(mpsadbw, multipleSums)

// The upper half's block choice stands in the immediate's bits 3 to 5.
RHEA_EXEC(vmpsadbw) {
  Vec256 b;
  if (i.vexL() ? !readRm256(cpu, i, b) : !readRm<16>(cpu, i, b.lower)) return Outcome::kFault;
  const Vec lower = multipleSums(half(cpu, i.vvvv), b.lower, imm8(i) & 7);
  const Vec upper = i.vexL() ? multipleSums(half(cpu, i.vvvv, 1), b.upper, imm8(i) >> 3 & 7) : kZero;
  setVex(cpu, i.reg, lower, upper);
  return Outcome::kNext;
}

// --- ptest, vtestps, vtestpd: ZF: no chosen bit common to both; CF: the second has none outside the first
namespace {

template <auto kChoose>
Outcome testBits(Cpu& cpu, const Insn& i) {
  const bool vex = i.has(Insn::kVex);
  Vec256 b;
  const bool done = vex ? (i.vexL() ? readRm256(cpu, i, b) : readRm<16>(cpu, i, b.lower))
                        : readRm<16, Align::kRequired>(cpu, i, b.lower);
  if (!done) return Outcome::kFault;
  const Vec upper = vex && i.vexL() ? half(cpu, i.reg, 1) : kZero;
  const Vec both = kChoose((half(cpu, i.reg) & b.lower) | (upper & b.upper));
  const Vec outside = kChoose((~half(cpu, i.reg) & b.lower) | (~upper & b.upper));
  cpu.st.setArithmetic((wide(both) == 0 ? kZf : 0) | (wide(outside) == 0 ? kCf : 0));
  return Outcome::kNext;
}
Vec everyBit(Vec v) { return v; }
Vec singleSigns(Vec v) { return v & broadcast<U32>(0x80000000); }
Vec doubleSigns(Vec v) { return v & broadcast<U64>(U64{1} << 63); }

}  // namespace
RHEA_EXEC_BODY(ptest, &testBits<everyBit>)
RHEA_EXEC_BODY(vtestps, &testBits<singleSigns>)
RHEA_EXEC_BODY(vtestpd, &testBits<doubleSigns>)

// --- shifts by a register or memory: the count is 128 bits of which the lower half counts, also for 256-bit forms
namespace {

template <auto kShift>
Outcome vexShift(Cpu& cpu, const Insn& i) {
  Vec count;
  if (!readRm<16>(cpu, i, count)) return Outcome::kFault;
  const Vec lower = kShift(half(cpu, i.vvvv), count);
  setVex(cpu, i.reg, lower, i.vexL() ? kShift(half(cpu, i.vvvv, 1), count) : kZero);
  return Outcome::kNext;
}

// By an immediate: the register that is shifted stands in ModRM.rm; VEX names the destination in vvvv.
template <auto kShift>
Outcome sseShiftImmediate(Cpu& cpu, const Insn& i) {
  setSse(cpu, i.rm, kShift(half(cpu, i.rm), imm8(i)));
  return Outcome::kNext;
}
template <auto kShift>
Outcome vexShiftImmediate(Cpu& cpu, const Insn& i) {
  const Vec lower = kShift(half(cpu, i.rm), imm8(i));
  setVex(cpu, i.vvvv, lower, i.vexL() ? kShift(half(cpu, i.rm, 1), imm8(i)) : kZero);
  return Outcome::kNext;
}
template <auto kShift>
Outcome mmxShiftImmediate(Cpu& cpu, const Insn& i) {
  if (fpu::exceptionPending(cpu)) return Outcome::kFault;
  enterMmx(cpu);
  setMm(cpu, i.rm, kShift(mm(cpu, i.rm), imm8(i))[0]);
  return Outcome::kNext;
}

}  // namespace

#define RHEA_SHIFT(name, kind, T)                            \
  RHEA_SSE_ONLY(name, kind##By<T>)                           \
  RHEA_MMX_ONLY(name, kind##By<T>)                           \
  RHEA_EXEC_BODY(v##name, &vexShift<kind##By<T>>)            \
  RHEA_EXEC_BODY(name##_imm, &sseShiftImmediate<kind<T>>)    \
  RHEA_EXEC_BODY(v##name##_imm, &vexShiftImmediate<kind<T>>) \
  RHEA_EXEC_BODY(name##_imm_mmx, &mmxShiftImmediate<kind<T>>)
RHEA_SHIFT(psllw, shiftLeft, U16)
RHEA_SHIFT(pslld, shiftLeft, U32)
RHEA_SHIFT(psllq, shiftLeft, U64)
RHEA_SHIFT(psrlw, shiftRight, U16)
RHEA_SHIFT(psrld, shiftRight, U32)
RHEA_SHIFT(psrlq, shiftRight, U64)
RHEA_SHIFT(psraw, shiftRight, I16)
RHEA_SHIFT(psrad, shiftRight, I32)
#undef RHEA_SHIFT
RHEA_EXEC_BODY(pslldq, &sseShiftImmediate<shiftLeftBytes>)
RHEA_EXEC_BODY(psrldq, &sseShiftImmediate<shiftRightBytes>)
RHEA_EXEC_BODY(vpslldq, &vexShiftImmediate<shiftLeftBytes>)
RHEA_EXEC_BODY(vpsrldq, &vexShiftImmediate<shiftRightBytes>)

RHEA_VEX_ONLY(vpsllvd, shiftLeftEach<U32>)
RHEA_VEX_ONLY(vpsllvq, shiftLeftEach<U64>)
RHEA_VEX_ONLY(vpsrlvd, shiftRightEach<U32>)
RHEA_VEX_ONLY(vpsrlvq, shiftRightEach<U64>)
RHEA_VEX_ONLY(vpsravd, shiftRightEach<I32>)

}  // namespace rhea::x86
