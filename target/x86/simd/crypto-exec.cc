// AES, SHA, PCLMULQDQ and the text comparisons.
#include "target/x86/simd/crypto.h"
#include "target/x86/simd/exec.h"
#include "target/x86/simd/text.h"

namespace rhea::x86 {
namespace {

using namespace simd;

template <bool kExplicit>
TextResult compareOperands(Cpu& cpu, const Insn& i, Vec b) {
  const Vec a = half(cpu, i.reg);
  if constexpr (!kExplicit) {
    return compareText(a, b, imm8(i));
  } else {
    const auto length = [&](unsigned which) {
      const std::uint64_t value = cpu.st.gpr[which];
      return isWide(cpu, i) ? static_cast<std::int64_t>(value) : std::int64_t{static_cast<std::int32_t>(value)};
    };
    return compareText(a, length(kRax), b, length(kRdx), imm8(i));
  }
}

template <bool kExplicit, bool kMask>
Outcome textInstruction(Cpu& cpu, const Insn& i) {
  Vec b;
  if (!readRm<16>(cpu, i, b)) return Outcome::kFault;
  const TextResult r = compareOperands<kExplicit>(cpu, i, b);
  if constexpr (kMask)
    setByEncoding(cpu, i, 0, textMask(r, imm8(i)));
  else
    cpu.st.gpr[kRcx] = textIndex(r, imm8(i));
  cpu.st.setArithmetic((r.carry ? kCf : 0) | (r.zero ? kZf : 0) | (r.sign ? kSf : 0) | (r.overflow ? kOf : 0));
  return Outcome::kNext;
}

}  // namespace

RHEA_BINARY(aesenc, aesEncrypt)
RHEA_BINARY(aesenclast, aesEncryptLast)
RHEA_BINARY(aesdec, aesDecrypt)
RHEA_BINARY(aesdeclast, aesDecryptLast)
RHEA_UNARY(aesimc, aesInverseMixColumns)
RHEA_UNARY(aeskeygenassist, aesKeyGenAssist)
RHEA_BINARY(pclmulqdq, carrylessMultiply)

// AMD's CPUs take any alignment here, Intel's fault.
RHEA_SSE_ONLY(sha1nexte, sha1NextE, simd::Align::kNone)
RHEA_SSE_ONLY(sha1msg1, sha1Message1, simd::Align::kNone)
RHEA_SSE_ONLY(sha1msg2, sha1Message2, simd::Align::kNone)
RHEA_SSE_ONLY(sha1rnds4, sha1Rounds4, simd::Align::kNone)
RHEA_SSE_ONLY(sha256msg1, sha256Message1, simd::Align::kNone)
RHEA_SSE_ONLY(sha256msg2, sha256Message2, simd::Align::kNone)
RHEA_EXEC(sha256rnds2) {
  Vec b;
  if (!readRm<16>(cpu, i, b)) return Outcome::kFault;
  setSse(cpu, i.reg, sha256Rounds2(half(cpu, i.reg), b, half(cpu, 0)));
  return Outcome::kNext;
}

RHEA_EXEC_BODY(pcmpestri, &textInstruction<true, false>)
RHEA_EXEC_BODY(pcmpestrm, &textInstruction<true, true>)
RHEA_EXEC_BODY(pcmpistri, &textInstruction<false, false>)
RHEA_EXEC_BODY(pcmpistrm, &textInstruction<false, true>)

}  // namespace rhea::x86
