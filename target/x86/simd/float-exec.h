// The shapes of floating-point instructions' functions: operands read, one MxcsrScope around the lane function, #XM if
// that says so, result written.
#pragma once

#include "target/x86/simd/exec.h"
#include "target/x86/simd/float-lane.h"
#include "target/x86/simd/mxcsr.h"

namespace rhea::x86::simd {

// An unmasked exception; the flags stand in MXCSR already.
inline Outcome simdException(Cpu& cpu) {
  return cpu.st.cr4 & kCr4Osxmmexcpt ? cpu.raise(kSimdException) : cpu.undefined();
}

// Whether the operation can give an exact denormal result, which underflows if that is unmasked.
enum class Tiny : bool { kNever, kPossible };
template <class Bits>
void reportTiny(MxcsrScope& scope, Vec result, int lanes = kLanes<Bits>) {
  for (int n = 0; n < lanes; ++n) {
    if (FloatLane<Bits>::isDenormal(as<Bits>(result)[n])) scope.raise(kMxUnderflow);
  }
}

// The source that is not ModRM.rm: VEX.vvvv, or the destination.
inline unsigned firstOperand(const Insn& i) { return i.has(Insn::kVex) ? i.vvvv : i.reg; }

inline Outcome finishFloat(Cpu& cpu, const Insn& i, MxcsrScope& scope, Vec result) {
  if (!scope.finish()) [[unlikely]]
    return simdException(cpu);
  setByEncoding(cpu, i, i.reg, result);
  return Outcome::kNext;
}

template <auto kOperation, class Bits, Tiny kTiny>
Outcome sseFloat(Cpu& cpu, const Insn& i) {
  Vec b;
  if (!readRm<16, Align::kRequired>(cpu, i, b)) return Outcome::kFault;
  MxcsrScope scope(cpu.st.mxcsr);
  const Vec r = apply<kOperation>(i, half(cpu, i.reg), b);
  if (kTiny == Tiny::kPossible && scope.wantsTiny()) [[unlikely]]
    reportTiny<Bits>(scope, r);
  if (!scope.finish()) [[unlikely]]
    return simdException(cpu);
  setSse(cpu, i.reg, r);
  return Outcome::kNext;
}

template <auto kOperation, class Bits, Tiny kTiny>
Outcome vexFloat(Cpu& cpu, const Insn& i) {
  Vec256 b;
  if (i.vexL() ? !readRm256(cpu, i, b) : !readRm<16>(cpu, i, b.lower)) return Outcome::kFault;
  MxcsrScope scope(cpu.st.mxcsr);
  const Vec lower = apply<kOperation>(i, half(cpu, i.vvvv), b.lower);
  const Vec upper = i.vexL() ? apply<kOperation>(i, half(cpu, i.vvvv, 1), b.upper) : kZero;
  if (kTiny == Tiny::kPossible && scope.wantsTiny()) [[unlikely]] {
    reportTiny<Bits>(scope, lower);
    reportTiny<Bits>(scope, upper);
  }
  if (!scope.finish()) [[unlikely]]
    return simdException(cpu);
  setVex(cpu, i.reg, lower, upper);
  return Outcome::kNext;
}

// SSE and VEX: the lanes above come from the first source.
template <auto kOperation, class Bits, Tiny kTiny>
Outcome scalarFloat(Cpu& cpu, const Insn& i) {
  Vec b;
  if (!readRm<sizeof(Bits)>(cpu, i, b)) return Outcome::kFault;
  MxcsrScope scope(cpu.st.mxcsr);
  const Vec r = kOperation(half(cpu, firstOperand(i)), b);
  if (kTiny == Tiny::kPossible && scope.wantsTiny()) [[unlikely]]
    reportTiny<Bits>(scope, r, 1);
  return finishFloat(cpu, i, scope, r);
}

template <auto kOperation>
Outcome sseFloatUnary(Cpu& cpu, const Insn& i) {
  Vec b;
  if (!readRm<16, Align::kRequired>(cpu, i, b)) return Outcome::kFault;
  MxcsrScope scope(cpu.st.mxcsr);
  return finishFloat(cpu, i, scope, kOperation(b));
}
template <auto kOperation>
Outcome vexFloatUnary(Cpu& cpu, const Insn& i) {
  Vec256 b;
  if (i.vexL() ? !readRm256(cpu, i, b) : !readRm<16>(cpu, i, b.lower)) return Outcome::kFault;
  MxcsrScope scope(cpu.st.mxcsr);
  const Vec lower = kOperation(b.lower);
  const Vec upper = i.vexL() ? kOperation(b.upper) : kZero;
  if (!scope.finish()) [[unlikely]]
    return simdException(cpu);
  setVex(cpu, i.reg, lower, upper);
  return Outcome::kNext;
}

}  // namespace rhea::x86::simd
