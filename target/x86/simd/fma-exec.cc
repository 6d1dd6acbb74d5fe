// The FMA3 instructions. Each form and kind is the host's own instruction, since operand order decides which NaN wins.
#include "target/x86/simd/float-exec.h"
#include "target/x86/simd/fma.h"

namespace rhea::x86 {
namespace {

using namespace simd;

template <FmaForm kForm, FmaKind kKind, class Bits, bool kScalar, FmaFunction kHost>
Vec fused(MxcsrScope& scope, Vec a, Vec b, Vec c) {
  constexpr int kUsed = kScalar ? 1 : kLanes<Bits>;
  const Vec r = hostHasFma() ? kHost(scope, a, b, c) : fusedInSoftware<Bits>(scope, kForm, kKind, a, b, c, kUsed);
  if (scope.wantsTiny()) [[unlikely]]
    reportTiny<Bits>(scope, r, kUsed);
  return r;
}

template <FmaFunction kOperation>
Outcome packedFma(Cpu& cpu, const Insn& i) {
  Vec256 c;
  if (i.vexL() ? !readRm256(cpu, i, c) : !readRm<16>(cpu, i, c.lower)) return Outcome::kFault;
  MxcsrScope scope(cpu.st.mxcsr);
  const Vec lower = kOperation(scope, half(cpu, i.reg), half(cpu, i.vvvv), c.lower);
  const Vec upper = i.vexL() ? kOperation(scope, half(cpu, i.reg, 1), half(cpu, i.vvvv, 1), c.upper) : kZero;
  if (!scope.finish()) return simdException(cpu);
  setVex(cpu, i.reg, lower, upper);
  return Outcome::kNext;
}
template <FmaFunction kOperation, unsigned kBytes>
Outcome scalarFma(Cpu& cpu, const Insn& i) {
  Vec c;
  if (!readRm<kBytes>(cpu, i, c)) return Outcome::kFault;
  MxcsrScope scope(cpu.st.mxcsr);
  return finishFloat(cpu, i, scope, kOperation(scope, half(cpu, i.reg), half(cpu, i.vvvv), c));
}

}  // namespace

#define RHEA_FMA_HOST(name)                                       \
  static Vec name##Host(MxcsrScope&, Vec a, Vec b, Vec c) {       \
    asm volatile(#name " %2, %1, %0" : "+x"(a) : "x"(b), "x"(c)); \
    return a;                                                     \
  }
#define RHEA_FMA_PACKED(name, form, kind, Bits) \
  RHEA_FMA_HOST(name)                           \
  RHEA_EXEC_BODY(name, &packedFma<fused<FmaForm::form, FmaKind::kind, Bits, false, name##Host>>)
#define RHEA_FMA_SCALAR(name, form, kind, Bits) \
  RHEA_FMA_HOST(name)                           \
  RHEA_EXEC_BODY(name, &scalarFma<fused<FmaForm::form, FmaKind::kind, Bits, true, name##Host>, sizeof(Bits)>)
#define RHEA_FMA_FORMS(RHEA_ONE, name, suffix, kind, Bits) \
  RHEA_ONE(name##132##suffix, k132, kind, Bits)            \
  RHEA_ONE(name##213##suffix, k213, kind, Bits)            \
  RHEA_ONE(name##231##suffix, k231, kind, Bits)
#define RHEA_FMA(name, kind)                                     \
  RHEA_FMA_FORMS(RHEA_FMA_PACKED, name, ps, kind, std::uint32_t) \
  RHEA_FMA_FORMS(RHEA_FMA_PACKED, name, pd, kind, std::uint64_t)
#define RHEA_FMA_WITH_SCALAR(name, kind)                         \
  RHEA_FMA(name, kind)                                           \
  RHEA_FMA_FORMS(RHEA_FMA_SCALAR, name, ss, kind, std::uint32_t) \
  RHEA_FMA_FORMS(RHEA_FMA_SCALAR, name, sd, kind, std::uint64_t)

RHEA_FMA_WITH_SCALAR(vfmadd, kAdd)
RHEA_FMA_WITH_SCALAR(vfmsub, kSub)
RHEA_FMA_WITH_SCALAR(vfnmadd, kNegativeAdd)
RHEA_FMA_WITH_SCALAR(vfnmsub, kNegativeSub)
RHEA_FMA(vfmaddsub, kAddSub)
RHEA_FMA(vfmsubadd, kSubAdd)

}  // namespace rhea::x86
