// Shuffles, packs, blends, inserts, extracts, broadcasts and what crosses the halves of a 256-bit register.
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

// Blends by immediate: a 256-bit form of n lanes per half has the upper half's bits above the lower's; with 16-bit
// lanes both halves use the same eight.
template <class T>
Outcome vexBlend(Cpu& cpu, const Insn& i) {
  Vec256 b;
  if (i.vexL() ? !readRm256(cpu, i, b) : !readRm<16>(cpu, i, b.lower)) return Outcome::kFault;
  const unsigned shift = sizeof(T) == 2 ? 0 : kLanes<T>;
  const Vec lower = blend<T>(half(cpu, i.vvvv), b.lower, imm8(i));
  const Vec upper = i.vexL() ? blend<T>(half(cpu, i.vvvv, 1), b.upper, static_cast<U8>(imm8(i) >> shift)) : kZero;
  setVex(cpu, i.reg, lower, upper);
  return Outcome::kNext;
}
// With XMM0 as the mask.
template <class T>
Outcome sseBlendVariable(Cpu& cpu, const Insn& i) {
  Vec b;
  if (!readRm<16, Align::kRequired>(cpu, i, b)) return Outcome::kFault;
  setSse(cpu, i.reg, blendVariable<T>(half(cpu, i.reg), b, half(cpu, 0)));
  return Outcome::kNext;
}
// With the register in imm[7:4] as the mask.
template <class T>
Outcome vexBlendVariable(Cpu& cpu, const Insn& i) {
  Vec256 b;
  if (i.vexL() ? !readRm256(cpu, i, b) : !readRm<16>(cpu, i, b.lower)) return Outcome::kFault;
  const unsigned mask = imm8(i) >> 4 & (cpu.st.mode64() ? 15u : 7u);
  const Vec lower = blendVariable<T>(half(cpu, i.vvvv), b.lower, half(cpu, mask));
  const Vec upper = i.vexL() ? blendVariable<T>(half(cpu, i.vvvv, 1), b.upper, half(cpu, mask, 1)) : kZero;
  setVex(cpu, i.reg, lower, upper);
  return Outcome::kNext;
}

// pmovsx*, pmovzx*: kBytes of source for one half of the destination.
template <class From, class To>
Outcome extendLanes(Cpu& cpu, const Insn& i) {
  constexpr unsigned kBytes = 16 * sizeof(From) / sizeof(To);
  if (!i.vexL() || !i.has(Insn::kVex)) {
    Vec source;
    if (!readRm<kBytes>(cpu, i, source)) return Outcome::kFault;
    setByEncoding(cpu, i, i.reg, extend<From, To>(source));
    return Outcome::kNext;
  }
  Vec source;
  if (!readRm<2 * kBytes>(cpu, i, source)) return Outcome::kFault;
  setVex(cpu, i.reg, extend<From, To>(source), extend<From, To>(shiftRightBytes(source, kBytes)));
  return Outcome::kNext;
}

// pinsrb, pinsrd, pinsrq, pinsrw: a lane from the lower bits of a general register or from memory.
template <class T>
Outcome insertFromGeneral(Cpu& cpu, const Insn& i) {
  T value;
  if (!i.memory())
    value = static_cast<T>(cpu.gpr<U64>(i.rm));
  else if (!cpu.read(i, value))
    return Outcome::kFault;
  const Vec into = half(cpu, i.has(Insn::kVex) ? i.vvvv : i.reg);
  setByEncoding(cpu, i, i.reg, insertLane<T>(into, value, imm8(i)));
  return Outcome::kNext;
}
template <class T>
Outcome extractToRm(Cpu& cpu, const Insn& i) {
  const T value = extractLane<T>(half(cpu, i.reg), imm8(i));
  if (i.memory()) return cpu.write<T>(i, value) ? Outcome::kNext : Outcome::kFault;
  cpu.setGpr<U64>(i.rm, value);
  return Outcome::kNext;
}

template <class T>
Outcome broadcastLane(Cpu& cpu, const Insn& i) {
  T value;
  if (!i.memory())
    value = as<T>(half(cpu, i.rm))[0];
  else if (!cpu.read(i, value))
    return Outcome::kFault;
  const Vec all = broadcast<T>(value);
  setVex(cpu, i.reg, all, i.vexL() ? all : kZero);
  return Outcome::kNext;
}

template <class T, auto kPermute>
Outcome permuteAcross(Cpu& cpu, const Insn& i) {
  Vec256 source;
  if (!readRm256(cpu, i, source)) return Outcome::kFault;
  constexpr std::size_t kCount = 32 / sizeof(T);
  std::array<T, kCount> from;
  std::array<T, kCount> to;
  std::memcpy(from.data(), &source, 32);
  for (std::size_t n = 0; n < kCount; ++n) to[n] = from[kPermute(cpu, i, n) & (kCount - 1)];
  Vec256 result;
  std::memcpy(static_cast<void*>(&result), to.data(), 32);
  setVex(cpu, i.reg, result.lower, result.upper);
  return Outcome::kNext;
}
constexpr auto kByImmediate = [](const Cpu&, const Insn& i, std::size_t n) -> std::size_t {
  return imm8(i) >> (2 * n) & 3u;
};
constexpr auto kByVvvv = [](const Cpu& cpu, const Insn& i, std::size_t n) -> std::size_t {
  return as<U32>(half(cpu, i.vvvv, n >= 4))[n & 3];
};

}  // namespace

RHEA_BINARY(packsswb, pack<I8>)
RHEA_BINARY(packuswb, pack<U8>)
RHEA_BINARY(packssdw, pack<I16>)
RHEA_BINARY(packusdw, pack<U16>)
RHEA_MMX_ONLY(packsswb, joinedMmx<pack<I8>>)
RHEA_MMX_ONLY(packuswb, joinedMmx<pack<U8>>)
RHEA_MMX_ONLY(packssdw, joinedMmx<pack<I16>>)

RHEA_BINARY(punpcklbw, unpack<U8, false>)
RHEA_BINARY(punpcklwd, unpack<U16, false>)
RHEA_BINARY(punpckldq, unpack<U32, false>)   // also unpcklps
RHEA_BINARY(punpcklqdq, unpack<U64, false>)  // also unpcklpd
RHEA_BINARY(punpckhbw, unpack<U8, true>)
RHEA_BINARY(punpckhwd, unpack<U16, true>)
RHEA_BINARY(punpckhdq, unpack<U32, true>)
RHEA_BINARY(punpckhqdq, unpack<U64, true>)
RHEA_MMX_ONLY(punpcklbw, unpack<U8, false>, 4)
RHEA_MMX_ONLY(punpcklwd, unpack<U16, false>, 4)
RHEA_MMX_ONLY(punpckldq, unpack<U32, false>, 4)
RHEA_MMX_ONLY(punpckhbw, unpackHighMmx<U8>)
RHEA_MMX_ONLY(punpckhwd, unpackHighMmx<U16>)
RHEA_MMX_ONLY(punpckhdq, unpackHighMmx<U32>)

RHEA_BINARY(pshufb, shuffleBytes)
RHEA_MMX_ONLY(pshufb, shuffleBytesMmx)
RHEA_UNARY(pshufd, shuffleDwords)
RHEA_UNARY(pshufhw, shuffleHighWords)
RHEA_UNARY(pshuflw, shuffleLowWords)
RHEA_EXEC_BODY(pshufw_mmx, &mmxUnary<shuffleLowWords>)
RHEA_BINARY(shufps, shuffleSingles)
RHEA_SSE_ONLY(shufpd, shuffleDoubles)
RHEA_BINARY(palignr, alignRight)
RHEA_MMX_ONLY(palignr, alignRightMmx)

// The upper half's choices stand above the lower's.
RHEA_EXEC(vshufpd) {
  Vec256 b;
  if (i.vexL() ? !readRm256(cpu, i, b) : !readRm<16>(cpu, i, b.lower)) return Outcome::kFault;
  const Vec lower = shuffleDoubles(half(cpu, i.vvvv), b.lower, imm8(i));
  const Vec upper = i.vexL() ? shuffleDoubles(half(cpu, i.vvvv, 1), b.upper, static_cast<U8>(imm8(i) >> 2)) : kZero;
  setVex(cpu, i.reg, lower, upper);
  return Outcome::kNext;
}
RHEA_VEX_ONLY(vpermilps, permuteSingles)
RHEA_VEX_ONLY(vpermilpd, permuteDoubles)
RHEA_EXEC_BODY(vpermilps_imm, &vexUnary<shuffleDwords>)
RHEA_EXEC(vpermilpd_imm) {
  Vec256 b;
  if (i.vexL() ? !readRm256(cpu, i, b) : !readRm<16>(cpu, i, b.lower)) return Outcome::kFault;
  const Vec lower = shuffleDoubles(b.lower, b.lower, imm8(i));
  const Vec upper = i.vexL() ? shuffleDoubles(b.upper, b.upper, static_cast<U8>(imm8(i) >> 2)) : kZero;
  setVex(cpu, i.reg, lower, upper);
  return Outcome::kNext;
}

RHEA_SSE_ONLY(pblendw, blend<U16>)
RHEA_SSE_ONLY(blendps, blend<U32>)
RHEA_SSE_ONLY(blendpd, blend<U64>)
RHEA_EXEC_BODY(vpblendw, &vexBlend<U16>)
RHEA_EXEC_BODY(vblendps, &vexBlend<U32>)  // also vpblendd
RHEA_EXEC_BODY(vblendpd, &vexBlend<U64>)
RHEA_EXEC_BODY(pblendvb, &sseBlendVariable<U8>)
RHEA_EXEC_BODY(blendvps, &sseBlendVariable<U32>)
RHEA_EXEC_BODY(blendvpd, &sseBlendVariable<U64>)
RHEA_EXEC_BODY(vpblendvb, &vexBlendVariable<U8>)
RHEA_EXEC_BODY(vblendvps, &vexBlendVariable<U32>)
RHEA_EXEC_BODY(vblendvpd, &vexBlendVariable<U64>)

RHEA_EXEC_BODY(pmovsxbw, &extendLanes<I8, I16>)
RHEA_EXEC_BODY(pmovsxbd, &extendLanes<I8, I32>)
RHEA_EXEC_BODY(pmovsxbq, &extendLanes<I8, I64>)
RHEA_EXEC_BODY(pmovsxwd, &extendLanes<I16, I32>)
RHEA_EXEC_BODY(pmovsxwq, &extendLanes<I16, I64>)
RHEA_EXEC_BODY(pmovsxdq, &extendLanes<I32, I64>)
RHEA_EXEC_BODY(pmovzxbw, &extendLanes<U8, U16>)
RHEA_EXEC_BODY(pmovzxbd, &extendLanes<U8, U32>)
RHEA_EXEC_BODY(pmovzxbq, &extendLanes<U8, U64>)
RHEA_EXEC_BODY(pmovzxwd, &extendLanes<U16, U32>)
RHEA_EXEC_BODY(pmovzxwq, &extendLanes<U16, U64>)
RHEA_EXEC_BODY(pmovzxdq, &extendLanes<U32, U64>)

RHEA_EXEC_BODY(pinsrb, &insertFromGeneral<U8>)
RHEA_EXEC_BODY(pinsrw, &insertFromGeneral<U16>)
RHEA_EXEC_BODY(pinsrd, &insertFromGeneral<U32>)
RHEA_EXEC_BODY(pinsrq, &insertFromGeneral<U64>)
RHEA_EXEC_BODY(pextrb, &extractToRm<U8>)
RHEA_EXEC_BODY(pextrw_store, &extractToRm<U16>)
RHEA_EXEC_BODY(pextrd, &extractToRm<U32>)  // also extractps
RHEA_EXEC_BODY(pextrq, &extractToRm<U64>)
// 0f c5: the general register stands in ModRM.reg.
RHEA_EXEC(pextrw) {
  cpu.setGpr<U64>(i.reg, extractLane<U16>(half(cpu, i.rm), imm8(i)));
  return Outcome::kNext;
}
RHEA_EXEC(pextrw_mmx) {
  if (fpu::exceptionPending(cpu)) return Outcome::kFault;
  enterMmx(cpu);
  cpu.setGpr<U64>(i.reg, extractLane<U16>(mm(cpu, i.rm), imm8(i) & 3));
  return Outcome::kNext;
}
RHEA_EXEC(pinsrw_mmx) {
  if (fpu::exceptionPending(cpu)) return Outcome::kFault;
  U16 value;
  if (!i.memory())
    value = static_cast<U16>(cpu.gpr<U64>(i.rm));
  else if (!cpu.read(i, value))
    return Outcome::kFault;
  enterMmx(cpu);
  setMm(cpu, i.reg, insertLane<U16>(mm(cpu, i.reg), value, imm8(i) & 3)[0]);
  return Outcome::kNext;
}
RHEA_EXEC(insertps) {
  U32 value;
  if (!i.memory())
    value = as<U32>(half(cpu, i.rm))[imm8(i) >> 6];
  else if (!cpu.read(i, value))
    return Outcome::kFault;
  setByEncoding(cpu, i, i.reg, insertSingle(half(cpu, i.has(Insn::kVex) ? i.vvvv : i.reg), value, imm8(i)));
  return Outcome::kNext;
}

RHEA_UNARY(movsldup, duplicateEvenSingles)
RHEA_UNARY(movshdup, duplicateOddSingles)
RHEA_EXEC_BODY(vmovddup, &vexUnary<duplicateLowDouble>)
// Reads eight bytes; 256-bit forms (vmovddup above) all 32.
RHEA_EXEC(movddup) {
  Vec value;
  if (!readRm<8>(cpu, i, value)) return Outcome::kFault;
  setByEncoding(cpu, i, i.reg, duplicateLowDouble(value));
  return Outcome::kNext;
}

RHEA_EXEC_BODY(vpbroadcastb, &broadcastLane<U8>)
RHEA_EXEC_BODY(vpbroadcastw, &broadcastLane<U16>)
RHEA_EXEC_BODY(vpbroadcastd, &broadcastLane<U32>)  // also vbroadcastss
RHEA_EXEC_BODY(vpbroadcastq, &broadcastLane<U64>)  // also vbroadcastsd
RHEA_EXEC(vbroadcastf128) {
  Vec value;
  if (!readMemory<16>(cpu, i, value)) return Outcome::kFault;
  setVex(cpu, i.reg, value, value);
  return Outcome::kNext;
}
RHEA_EXEC(vinsertf128) {
  Vec value;
  if (!readRm<16>(cpu, i, value)) return Outcome::kFault;
  const bool upper = imm8(i) & 1;
  setVex(cpu, i.reg, upper ? half(cpu, i.vvvv) : value, upper ? value : half(cpu, i.vvvv, 1));
  return Outcome::kNext;
}
RHEA_EXEC(vextractf128) {
  const Vec value = half(cpu, i.reg, imm8(i) & 1);
  if (i.memory()) return cpu.writeBytes(i, &value, 16) ? Outcome::kNext : Outcome::kFault;
  setVex(cpu, i.rm, value);
  return Outcome::kNext;
}
RHEA_EXEC(vperm2f128) {
  Vec256 b;
  if (!readRm256(cpu, i, b)) return Outcome::kFault;
  const Vec choices[4] = {half(cpu, i.vvvv), half(cpu, i.vvvv, 1), b.lower, b.upper};
  const auto choose = [&](unsigned control) { return control & 8 ? kZero : choices[control & 3]; };
  setVex(cpu, i.reg, choose(imm8(i) & 15), choose(imm8(i) >> 4));
  return Outcome::kNext;
}
RHEA_EXEC_BODY(vpermq, &permuteAcross<U64, kByImmediate>)  // also vpermpd
RHEA_EXEC_BODY(vpermd, &permuteAcross<U32, kByVvvv>)       // also vpermps

}  // namespace rhea::x86
