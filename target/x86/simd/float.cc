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

// --- dpps, dppd
template <class Dot>
Outcome dotProduct(Cpu& cpu, const Insn& i) {
  using Bits = typename Dot::Bits;
  const bool vex = i.has(Insn::kVex);
  const bool both = vex && i.vexL();
  Vec256 b;
  const bool done =
      vex ? (both ? readRm256(cpu, i, b) : readRm<16>(cpu, i, b.lower)) : readRm<16, Align::kRequired>(cpu, i, b.lower);
  if (!done) return Outcome::kFault;
  const unsigned first = firstOperand(i);
  MxcsrScope scope(cpu.st.mxcsr);
  Vec256 v;
  const auto step = [&](auto operation, bool last = false) {
    v.lower = operation(v.lower, half(cpu, first), b.lower);
    if (both) v.upper = operation(v.upper, half(cpu, first, 1), b.upper);
    if (scope.wantsTiny()) reportTiny<Bits>(scope, v.lower, last ? 1 : kLanes<Bits>);
    if (scope.wantsTiny() && both) reportTiny<Bits>(scope, v.upper, last ? 1 : kLanes<Bits>);
    return !scope.failing();
  };
  const bool computed = step([&](Vec, Vec x, Vec y) { return Dot::products(x, y, imm8(i)); }) &&
                        step([](Vec x, Vec, Vec) { return Dot::pairs(x); }) &&
                        step([](Vec x, Vec, Vec) { return Dot::total(x); }, true);
  Vec lower = Dot::spread(v.lower, imm8(i));
  Vec upper = both ? Dot::spread(v.upper, imm8(i)) : kZero;
  if (computed && __builtin_cpu_supports("sse4.1")) {
    const auto host = kHostDots<Dot::kDouble>[imm8(i)];
    lower = host(half(cpu, first), b.lower);
    if (both) upper = host(half(cpu, first, 1), b.upper);
  }
  if (!scope.finish() || !computed) return simdException(cpu);
  if (vex)
    setVex(cpu, i.reg, lower, upper);
  else
    setSse(cpu, i.reg, lower);
  return Outcome::kNext;
}

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

RHEA_EXEC_BODY(dpps, &dotProduct<DotSingles>)
RHEA_EXEC_BODY(dppd, &dotProduct<DotDoubles>)
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
