// Floating-point arithmetic, comparison and rounding: the host's instructions under the guest's MXCSR.
#include "target/x86/simd/float-compare.h"
#include "target/x86/simd/float-exec.h"
#include "target/x86/simd/float-round.h"
#include "target/x86/simd/float-sums.h"

namespace rhea::x86 {

using namespace simd;
using Single = std::uint32_t;
using Double = std::uint64_t;

#define RHEA_PACKED(name, Bits, tiny)                     \
  RHEA_EXEC_BODY(name, &sseFloat<simd::name, Bits, tiny>) \
  RHEA_EXEC_BODY(v##name, &vexFloat<simd::name, Bits, tiny>)
#define RHEA_SCALAR(name, Bits, tiny) RHEA_EXEC_BODY(name, &scalarFloat<simd::name, Bits, tiny>)
#define RHEA_ARITHMETIC(name, tiny)   \
  RHEA_PACKED(name##ps, Single, tiny) \
  RHEA_PACKED(name##pd, Double, tiny) \
  RHEA_SCALAR(name##ss, Single, tiny) \
  RHEA_SCALAR(name##sd, Double, tiny)
RHEA_ARITHMETIC(add, Tiny::kPossible)
RHEA_ARITHMETIC(sub, Tiny::kPossible)
RHEA_ARITHMETIC(mul, Tiny::kPossible)
RHEA_ARITHMETIC(div, Tiny::kPossible)
RHEA_ARITHMETIC(min, Tiny::kNever)
RHEA_ARITHMETIC(max, Tiny::kNever)
RHEA_PACKED(haddps, Single, Tiny::kPossible)
RHEA_PACKED(haddpd, Double, Tiny::kPossible)
RHEA_PACKED(hsubps, Single, Tiny::kPossible)
RHEA_PACKED(hsubpd, Double, Tiny::kPossible)
RHEA_PACKED(addsubps, Single, Tiny::kPossible)
RHEA_PACKED(addsubpd, Double, Tiny::kPossible)
RHEA_PACKED(dpps, Single, Tiny::kPossible)
RHEA_EXEC_BODY(dppd, &sseFloat<simd::dppd, Double, Tiny::kPossible>)
RHEA_EXEC_BODY(vdppd, &vexFloat<simd::dppd, Double, Tiny::kPossible>)

#define RHEA_PACKED_UNARY(name)                    \
  RHEA_EXEC_BODY(name, &sseFloatUnary<simd::name>) \
  RHEA_EXEC_BODY(v##name, &vexFloatUnary<simd::name>)
RHEA_PACKED_UNARY(sqrtps)
RHEA_PACKED_UNARY(sqrtpd)
RHEA_SCALAR(sqrtss, Single, Tiny::kNever)
RHEA_SCALAR(sqrtsd, Double, Tiny::kNever)
// These raise nothing and read nothing of MXCSR, so they need no scope; the host's own approximation counts.
RHEA_UNARY(rcpps, simd::rcpps)
RHEA_UNARY(rsqrtps, simd::rsqrtps)
RHEA_SCALAR(rcpss, Single, Tiny::kNever)
RHEA_SCALAR(rsqrtss, Single, Tiny::kNever)

namespace {

// --- cmpps and its kin. SSE has eight predicates, VEX 32.
unsigned predicate(const Insn& i) { return imm8(i) & (i.has(Insn::kVex) ? 31u : 7u); }

template <class Bits>
Outcome comparePacked(Cpu& cpu, const Insn& i) {
  const bool vex = i.has(Insn::kVex);
  Vec256 b;
  const bool done = vex ? (i.vexL() ? readRm256(cpu, i, b) : readRm<16>(cpu, i, b.lower))
                        : readRm<16, Align::kRequired>(cpu, i, b.lower);
  if (!done) return Outcome::kFault;
  const unsigned first = vex ? i.vvvv : i.reg;
  MxcsrScope scope(cpu.st.mxcsr);
  const Vec lower = compareFloat<Bits>(scope, half(cpu, first), b.lower, predicate(i), kLanes<Bits>);
  Vec upper = kZero;
  if (vex && i.vexL()) upper = compareFloat<Bits>(scope, half(cpu, first, 1), b.upper, predicate(i), kLanes<Bits>);
  if (!scope.finish()) return simdException(cpu);
  if (vex)
    setVex(cpu, i.reg, lower, upper);
  else
    setSse(cpu, i.reg, lower);
  return Outcome::kNext;
}
template <class Bits>
Outcome compareScalar(Cpu& cpu, const Insn& i) {
  Vec b;
  if (!readRm<sizeof(Bits)>(cpu, i, b)) return Outcome::kFault;
  MxcsrScope scope(cpu.st.mxcsr);
  const Vec r = compareFloat<Bits>(scope, half(cpu, firstOperand(i)), b, predicate(i), 1);
  return finishFloat(cpu, i, scope, r);
}

template <class Bits>
Outcome roundPacked(Cpu& cpu, const Insn& i) {
  const bool vex = i.has(Insn::kVex);
  Vec256 b;
  const bool done = vex ? (i.vexL() ? readRm256(cpu, i, b) : readRm<16>(cpu, i, b.lower))
                        : readRm<16, Align::kRequired>(cpu, i, b.lower);
  if (!done) return Outcome::kFault;
  MxcsrScope scope(cpu.st.mxcsr);
  const Vec lower = roundFloat<Bits>(scope, kZero, b.lower, imm8(i), kLanes<Bits>);
  Vec upper = kZero;
  if (vex && i.vexL()) upper = roundFloat<Bits>(scope, kZero, b.upper, imm8(i), kLanes<Bits>);
  if (!scope.finish()) return simdException(cpu);
  if (vex)
    setVex(cpu, i.reg, lower, upper);
  else
    setSse(cpu, i.reg, lower);
  return Outcome::kNext;
}
template <class Bits>
Outcome roundScalar(Cpu& cpu, const Insn& i) {
  Vec b;
  if (!readRm<sizeof(Bits)>(cpu, i, b)) return Outcome::kFault;
  MxcsrScope scope(cpu.st.mxcsr);
  const Vec r = roundFloat<Bits>(scope, half(cpu, firstOperand(i)), b, imm8(i), 1);
  return finishFloat(cpu, i, scope, r);
}

// comiss and its kin: ZF, PF, CF by the result, OF, SF, AF cleared.
template <auto kCompare, unsigned kBytes>
Outcome compareToFlags(Cpu& cpu, const Insn& i) {
  Vec b;
  if (!readRm<kBytes>(cpu, i, b)) return Outcome::kFault;
  MxcsrScope scope(cpu.st.mxcsr);
  const std::uint64_t flags = kCompare(half(cpu, i.reg), b);
  if (!scope.finish()) return simdException(cpu);
  cpu.st.setArithmetic(flags);
  return Outcome::kNext;
}

}  // namespace

RHEA_EXEC_BODY(cmpps, &comparePacked<Single>)
RHEA_EXEC_BODY(cmppd, &comparePacked<Double>)
RHEA_EXEC_BODY(cmpss, &compareScalar<Single>)
RHEA_EXEC_BODY(cmpsd_sse, &compareScalar<Double>)
RHEA_EXEC_BODY(roundps, &roundPacked<Single>)
RHEA_EXEC_BODY(roundpd, &roundPacked<Double>)
RHEA_EXEC_BODY(roundss, &roundScalar<Single>)
RHEA_EXEC_BODY(roundsd, &roundScalar<Double>)
RHEA_EXEC_BODY(comiss, &compareToFlags<simd::comiss, 4>)
RHEA_EXEC_BODY(comisd, &compareToFlags<simd::comisd, 8>)
RHEA_EXEC_BODY(ucomiss, &compareToFlags<simd::ucomiss, 4>)
RHEA_EXEC_BODY(ucomisd, &compareToFlags<simd::ucomisd, 8>)

}  // namespace rhea::x86
