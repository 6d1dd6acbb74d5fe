// Conversions between formats, and half precision.
#include "target/x86/simd/float-exec.h"
#include "target/x86/simd/float-host.h"
#include "target/x86/simd/half.h"
#include "target/x86/simd/shuffle.h"

namespace rhea::x86 {
namespace {

using namespace simd;
using Single = std::uint32_t;
using Double = std::uint64_t;

// --- packed, from twice as many bytes: cvtpd2ps, cvtpd2dq, cvttpd2dq
template <auto kOperation, Tiny kTiny>
Outcome narrowing(Cpu& cpu, const Insn& i) {
  const bool vex = i.has(Insn::kVex);
  const bool wideSource = vex && i.vexL();
  Vec256 b;
  const bool done = wideSource ? readRm256(cpu, i, b)
                    : vex      ? readRm<16>(cpu, i, b.lower)
                               : readRm<16, Align::kRequired>(cpu, i, b.lower);
  if (!done) return Outcome::kFault;
  MxcsrScope scope(cpu.st.mxcsr);
  Vec r = kOperation(b.lower);
  if (wideSource) r = pair(r[0], kOperation(b.upper)[0]);
  if (kTiny == Tiny::kPossible && scope.wantsTiny()) reportTiny<Single>(scope, r);
  return finishFloat(cpu, i, scope, r);
}

// --- packed, from half as many bytes: cvtps2pd, cvtdq2pd
template <auto kOperation>
Outcome widening(Cpu& cpu, const Insn& i) {
  const bool wide = i.has(Insn::kVex) && i.vexL();
  Vec b;
  if (wide ? !readRm<16>(cpu, i, b) : !readRm<8>(cpu, i, b)) return Outcome::kFault;
  MxcsrScope scope(cpu.st.mxcsr);
  const Vec lower = kOperation(low(b[0]));
  const Vec upper = wide ? kOperation(low(b[1])) : kZero;
  if (!scope.finish()) return simdException(cpu);
  if (i.has(Insn::kVex))
    setVex(cpu, i.reg, lower, upper);
  else
    setSse(cpu, i.reg, lower);
  return Outcome::kNext;
}

// --- scalar, general register or memory to float and back
template <class T>
bool readInteger(Cpu& cpu, const Insn& i, T& value) {
  if (i.memory()) return cpu.read(i, value);
  value = cpu.gpr<T>(i.rm);
  return true;
}
struct ToSingle {
  static Vec from(Vec a, auto value) { return singleFromInteger(a, value); }
};
struct ToDouble {
  static Vec from(Vec a, auto value) { return doubleFromInteger(a, value); }
};
template <class To>
Outcome fromInteger(Cpu& cpu, const Insn& i) {
  std::uint64_t wide = 0;
  std::uint32_t narrowValue = 0;
  if (isWide(cpu, i) ? !readInteger(cpu, i, wide) : !readInteger(cpu, i, narrowValue)) return Outcome::kFault;
  MxcsrScope scope(cpu.st.mxcsr);
  const Vec a = half(cpu, firstOperand(i));
  const Vec r = isWide(cpu, i) ? To::from(a, static_cast<std::int64_t>(wide))
                               : To::from(a, static_cast<std::int32_t>(narrowValue));
  return finishFloat(cpu, i, scope, r);
}
template <auto kNarrow, auto kWide, unsigned kBytes>
Outcome toInteger(Cpu& cpu, const Insn& i) {
  Vec b;
  if (!readRm<kBytes>(cpu, i, b)) return Outcome::kFault;
  MxcsrScope scope(cpu.st.mxcsr);
  const std::uint64_t r = isWide(cpu, i) ? kWide(b) : kNarrow(b);
  if (!scope.finish()) return simdException(cpu);
  cpu.setGpr<std::uint64_t>(i.reg, r);
  return Outcome::kNext;
}

// --- MMX. A pending x87 exception comes before everything else.
template <auto kOperation, unsigned kBytes>
Outcome toMmx(Cpu& cpu, const Insn& i) {
  if (fpu::exceptionPending(cpu)) return Outcome::kFault;
  Vec b;
  constexpr Align kAlign = kBytes == 16 ? Align::kRequired : Align::kNone;
  if (!readRm<kBytes, kAlign>(cpu, i, b)) return Outcome::kFault;
  // The x87 state changes even if #XM follows, as on the CPUs at hand.
  enterMmx(cpu);
  MxcsrScope scope(cpu.st.mxcsr);
  const Vec r = kOperation(b);
  if (!scope.finish()) return simdException(cpu);
  setMm(cpu, i.reg, r[0]);
  return Outcome::kNext;
}

}  // namespace

RHEA_EXEC_BODY(cvtps2pd, &widening<simd::cvtps2pd>)
RHEA_EXEC_BODY(cvtdq2pd, &widening<simd::cvtdq2pd>)
RHEA_EXEC_BODY(cvtpd2ps, &narrowing<simd::cvtpd2ps, Tiny::kPossible>)
RHEA_EXEC_BODY(cvtpd2dq, &narrowing<simd::cvtpd2dq, Tiny::kNever>)
RHEA_EXEC_BODY(cvttpd2dq, &narrowing<simd::cvttpd2dq, Tiny::kNever>)
RHEA_EXEC_BODY(cvtdq2ps, &sseFloatUnary<simd::cvtdq2ps>)
RHEA_EXEC_BODY(vcvtdq2ps, &vexFloatUnary<simd::cvtdq2ps>)
RHEA_EXEC_BODY(cvtps2dq, &sseFloatUnary<simd::cvtps2dq>)
RHEA_EXEC_BODY(vcvtps2dq, &vexFloatUnary<simd::cvtps2dq>)
RHEA_EXEC_BODY(cvttps2dq, &sseFloatUnary<simd::cvttps2dq>)
RHEA_EXEC_BODY(vcvttps2dq, &vexFloatUnary<simd::cvttps2dq>)
RHEA_EXEC_BODY(cvtss2sd, &scalarFloat<simd::cvtss2sd, Single, Tiny::kNever>)

// The source is a double, the result a single.
RHEA_EXEC(cvtsd2ss) {
  Vec b;
  if (!readRm<8>(cpu, i, b)) return Outcome::kFault;
  MxcsrScope scope(cpu.st.mxcsr);
  const Vec r = simd::cvtsd2ss(half(cpu, firstOperand(i)), b);
  if (scope.wantsTiny()) reportTiny<Single>(scope, r, 1);
  return finishFloat(cpu, i, scope, r);
}

RHEA_EXEC_BODY(cvtsi2ss, &fromInteger<ToSingle>)
RHEA_EXEC_BODY(cvtsi2sd, &fromInteger<ToDouble>)
RHEA_EXEC_BODY(cvtss2si, &toInteger<integerFromSingle<Single>, integerFromSingle<Double>, 4>)
RHEA_EXEC_BODY(cvttss2si, &toInteger<truncatedFromSingle<Single>, truncatedFromSingle<Double>, 4>)
RHEA_EXEC_BODY(cvtsd2si, &toInteger<integerFromDouble<Single>, integerFromDouble<Double>, 8>)
RHEA_EXEC_BODY(cvttsd2si, &toInteger<truncatedFromDouble<Single>, truncatedFromDouble<Double>, 8>)

RHEA_EXEC_BODY(cvtps2pi, &toMmx<simd::cvtps2pi, 8>)
RHEA_EXEC_BODY(cvttps2pi, &toMmx<simd::cvttps2pi, 8>)
RHEA_EXEC_BODY(cvtpd2pi, &toMmx<simd::cvtpd2dq, 16>)
RHEA_EXEC_BODY(cvttpd2pi, &toMmx<simd::cvttpd2dq, 16>)
// With a memory operand neither of these enters MMX state or asks for x87 exceptions (SDM says so for CVTPI2PD).
RHEA_EXEC(cvtpi2ps) {
  if (!i.memory() && fpu::exceptionPending(cpu)) return Outcome::kFault;
  Vec b;
  if (!readMmxRm(cpu, i, b)) return Outcome::kFault;
  if (!i.memory()) enterMmx(cpu);
  MxcsrScope scope(cpu.st.mxcsr);
  const Vec r = simd::cvtpi2ps(half(cpu, i.reg), b);
  if (!scope.finish()) return simdException(cpu);
  setSse(cpu, i.reg, r);
  return Outcome::kNext;
}
// Always exact.
RHEA_EXEC(cvtpi2pd) {
  if (!i.memory() && fpu::exceptionPending(cpu)) return Outcome::kFault;
  Vec b;
  if (!readMmxRm(cpu, i, b)) return Outcome::kFault;
  if (!i.memory()) enterMmx(cpu);
  setSse(cpu, i.reg, simd::cvtdq2pd(b));
  return Outcome::kNext;
}

RHEA_EXEC(vcvtph2ps) {
  Vec b;
  if (i.vexL() ? !readRm<16>(cpu, i, b) : !readRm<8>(cpu, i, b)) return Outcome::kFault;
  MxcsrScope scope(cpu.st.mxcsr);
  const Vec lower = singlesFromHalves(scope, b);
  const Vec upper = i.vexL() ? singlesFromHalves(scope, low(b[1])) : kZero;
  if (!scope.finish()) return simdException(cpu);
  setVex(cpu, i.reg, lower, upper);
  return Outcome::kNext;
}
// The destination is ModRM.rm. Whether it can be written is asked first: a page fault comes before #XM.
RHEA_EXEC(vcvtps2ph) {
  const std::size_t size = i.vexL() ? 16 : 8;
  std::uint64_t address = 0;
  if (i.memory()) {
    std::uint8_t* host = nullptr;
    if (!cpu.linear(i, size, AccessKind::kWrite, address) || !cpu.writable(address, size, i.segment(), host)) {
      return Outcome::kFault;
    }
  }
  MxcsrScope scope(cpu.st.mxcsr);
  Vec r = halvesFromSingles(scope, half(cpu, i.reg), imm8(i));
  if (i.vexL()) r = pair(r[0], halvesFromSingles(scope, half(cpu, i.reg, 1), imm8(i))[0]);
  if (!scope.finish()) return simdException(cpu);
  if (i.memory()) return cpu.storeBytes(address, &r, size, i.segment()) ? Outcome::kNext : Outcome::kFault;
  setVex(cpu, i.rm, r);
  return Outcome::kNext;
}

}  // namespace rhea::x86
