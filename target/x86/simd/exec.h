// How vector instructions' functions reach their operands, and the shapes that most of them have: one lane function
// (simd/arith.h and so on) made into the MMX, SSE and VEX forms of an instruction.
//
// SSE forms leave the upper half of a 256-bit register, VEX forms clear what they do not write. SSE memory operands of
// 16 bytes must be aligned unless a function says otherwise; VEX ones need not be.
#pragma once

#include "target/x86/cpu.h"
#include "target/x86/fpu/pending.h"
#include "target/x86/simd/lanes.h"

namespace rhea::x86::simd {

// --- registers
inline Vec half(const Cpu& cpu, unsigned number, unsigned which = 0) {
  return loadVec(cpu.st.vector[number].bytes.data() + 16 * which);
}
inline void setHalf(Cpu& cpu, unsigned number, unsigned which, Vec value) {
  storeVec(cpu.st.vector[number].bytes.data() + 16 * which, value);
}
// The destination as an SSE instruction writes it, and as a VEX.128 one does.
inline void setSse(Cpu& cpu, unsigned number, Vec value) { setHalf(cpu, number, 0, value); }
inline void setVex(Cpu& cpu, unsigned number, Vec value, Vec upper = kZero) {
  setHalf(cpu, number, 0, value);
  setHalf(cpu, number, 1, upper);
}
inline void setByEncoding(Cpu& cpu, const Insn& i, unsigned number, Vec value) {
  if (i.has(Insn::kVex))
    setVex(cpu, number, value);
  else
    setSse(cpu, number, value);
}

// --- memory
enum class Align : bool { kNone, kRequired };

template <Align kAlign>
bool operandAddress(Cpu& cpu, const Insn& i, std::size_t size, AccessKind kind, std::uint64_t& address) {
  if (!cpu.linear(i, size, kind, address)) return false;
  if (kAlign == Align::kRequired && (address & (size - 1)) != 0) [[unlikely]]
    return cpu.fail(kGeneralProtection);
  return true;
}

// kBytes of the memory operand, zeros above them.
template <unsigned kBytes, Align kAlign = Align::kNone>
bool readMemory(Cpu& cpu, const Insn& i, Vec& value) {
  std::uint64_t address;
  if (!operandAddress<kAlign>(cpu, i, kBytes, AccessKind::kRead, address)) return false;
  if constexpr (kBytes == 16) {
    return cpu.loadBytes(address, &value, 16, i.segment());
  } else {
    std::conditional_t<kBytes == 8, std::uint64_t, std::conditional_t<kBytes == 4, std::uint32_t, std::uint16_t>> part;
    if (!cpu.load(address, part, i.segment())) return false;
    value = low(part);
    return true;
  }
}
template <unsigned kBytes, Align kAlign = Align::kNone>
bool readRm(Cpu& cpu, const Insn& i, Vec& value) {
  if (i.memory()) return readMemory<kBytes, kAlign>(cpu, i, value);
  value = half(cpu, i.rm);
  return true;
}

struct Vec256 {
  Vec lower{};
  Vec upper{};
};
template <Align kAlign = Align::kNone>
bool readRm256(Cpu& cpu, const Insn& i, Vec256& value) {
  if (!i.memory()) {
    value = {half(cpu, i.rm), half(cpu, i.rm, 1)};
    return true;
  }
  std::uint64_t address;
  return operandAddress<kAlign>(cpu, i, 32, AccessKind::kRead, address) &&
         cpu.loadBytes(address, &value, 32, i.segment());
}

// 64-bit general operands. Outside 64-bit mode VEX.W may be set and means nothing.
inline bool isWide(const Cpu& cpu, const Insn& i) { return i.w() && cpu.st.mode64(); }
inline std::uint8_t imm8(const Insn& i) { return static_cast<std::uint8_t>(i.imm); }

// --- shapes. kOperation: Vec(Vec, Vec), or with an std::uint8_t behind for those with an immediate; unary ones
// Vec(Vec).
template <auto kOperation>
Vec apply(const Insn& i, Vec a, Vec b) {
  if constexpr (std::is_invocable_v<decltype(kOperation), Vec, Vec, std::uint8_t>)
    return kOperation(a, b, imm8(i));
  else
    return kOperation(a, b);
}
template <auto kOperation>
Vec applyUnary(const Insn& i, Vec a) {
  if constexpr (std::is_invocable_v<decltype(kOperation), Vec, std::uint8_t>)
    return kOperation(a, imm8(i));
  else
    return kOperation(a);
}

template <auto kOperation, Align kAlign = Align::kRequired>
Outcome sseBinary(Cpu& cpu, const Insn& i) {
  Vec b;
  if (!readRm<16, kAlign>(cpu, i, b)) return Outcome::kFault;
  setSse(cpu, i.reg, apply<kOperation>(i, half(cpu, i.reg), b));
  return Outcome::kNext;
}
template <auto kOperation>
Outcome vexBinary(Cpu& cpu, const Insn& i) {
  if (i.vexL()) {
    Vec256 b;
    if (!readRm256(cpu, i, b)) return Outcome::kFault;
    const Vec lower = apply<kOperation>(i, half(cpu, i.vvvv), b.lower);
    setVex(cpu, i.reg, lower, apply<kOperation>(i, half(cpu, i.vvvv, 1), b.upper));
    return Outcome::kNext;
  }
  Vec b;
  if (!readRm<16>(cpu, i, b)) return Outcome::kFault;
  setVex(cpu, i.reg, apply<kOperation>(i, half(cpu, i.vvvv), b));
  return Outcome::kNext;
}
template <auto kOperation>
Outcome sseUnary(Cpu& cpu, const Insn& i) {
  Vec b;
  if (!readRm<16, Align::kRequired>(cpu, i, b)) return Outcome::kFault;
  setSse(cpu, i.reg, applyUnary<kOperation>(i, b));
  return Outcome::kNext;
}
template <auto kOperation>
Outcome vexUnary(Cpu& cpu, const Insn& i) {
  if (i.vexL()) {
    Vec256 b;
    if (!readRm256(cpu, i, b)) return Outcome::kFault;
    setVex(cpu, i.reg, applyUnary<kOperation>(i, b.lower), applyUnary<kOperation>(i, b.upper));
    return Outcome::kNext;
  }
  Vec b;
  if (!readRm<16>(cpu, i, b)) return Outcome::kFault;
  setVex(cpu, i.reg, applyUnary<kOperation>(i, b));
  return Outcome::kNext;
}

// --- MMX
inline Vec mm(const Cpu& cpu, unsigned number) { return low(cpu.st.fpu.registers[number & 7].mantissa); }
inline void setMm(Cpu& cpu, unsigned number, std::uint64_t value) {
  cpu.st.fpu.registers[number & 7] = {value, 0xffff};
}
// What every MMX instruction but emms does to the x87 state before it works: TOP 0, all registers in use.
inline void enterMmx(Cpu& cpu) {
  cpu.st.fpu.status &= static_cast<std::uint16_t>(~0x3800U);
  cpu.st.fpu.tags = 0xff;
}
template <unsigned kBytes = 8>
bool readMmxRm(Cpu& cpu, const Insn& i, Vec& value) {
  if (i.memory()) return readMemory<kBytes>(cpu, i, value);
  value = mm(cpu, i.rm);
  return true;
}

template <auto kOperation, unsigned kBytes = 8>
Outcome mmxBinary(Cpu& cpu, const Insn& i) {
  if (fpu::exceptionPending(cpu)) return Outcome::kFault;
  Vec b;
  if (!readMmxRm<kBytes>(cpu, i, b)) return Outcome::kFault;
  enterMmx(cpu);
  setMm(cpu, i.reg, apply<kOperation>(i, mm(cpu, i.reg), b)[0]);
  return Outcome::kNext;
}
template <auto kOperation>
Outcome mmxUnary(Cpu& cpu, const Insn& i) {
  if (fpu::exceptionPending(cpu)) return Outcome::kFault;
  Vec b;
  if (!readMmxRm(cpu, i, b)) return Outcome::kFault;
  enterMmx(cpu);
  setMm(cpu, i.reg, applyUnary<kOperation>(i, b)[0]);
  return Outcome::kNext;
}

}  // namespace rhea::x86::simd

// Defines the functions NAME and vNAME (and NAME_mmx) of an instruction from its lane function.
#define RHEA_SSE_ONLY(name, ...) RHEA_EXEC_BODY(name, &simd::sseBinary<__VA_ARGS__>)
#define RHEA_VEX_ONLY(name, ...) RHEA_EXEC_BODY(name, &simd::vexBinary<__VA_ARGS__>)
#define RHEA_MMX_ONLY(name, ...) RHEA_EXEC_BODY(name##_mmx, &simd::mmxBinary<__VA_ARGS__>)
#define RHEA_BINARY(name, ...)     \
  RHEA_SSE_ONLY(name, __VA_ARGS__) \
  RHEA_VEX_ONLY(v##name, __VA_ARGS__)
#define RHEA_BINARY_MMX(name, ...) \
  RHEA_BINARY(name, __VA_ARGS__)   \
  RHEA_MMX_ONLY(name, __VA_ARGS__)
#define RHEA_UNARY(name, ...)                        \
  RHEA_EXEC_BODY(name, &simd::sseUnary<__VA_ARGS__>) \
  RHEA_EXEC_BODY(v##name, &simd::vexUnary<__VA_ARGS__>)
#define RHEA_UNARY_MMX(name, ...) \
  RHEA_UNARY(name, __VA_ARGS__)   \
  RHEA_EXEC_BODY(name##_mmx, &simd::mmxUnary<__VA_ARGS__>)
