// Moves between vector registers and memory or general registers.
#include "target/x86/fpu/native.h"
#include "target/x86/simd/arith.h"
#include "target/x86/simd/exec.h"
#include "target/x86/simd/shuffle.h"

namespace rhea::x86 {
namespace {

using namespace simd;

// --- whole registers. The forms with the destination in ModRM.rm are "store" also where that is a register.
template <Align kAlign>
Outcome sseLoad(Cpu& cpu, const Insn& i) {
  Vec value;
  if (!readRm<16, kAlign>(cpu, i, value)) return Outcome::kFault;
  setSse(cpu, i.reg, value);
  return Outcome::kNext;
}
template <Align kAlign>
Outcome vexLoad(Cpu& cpu, const Insn& i) {
  Vec256 value;
  if (i.vexL() ? !readRm256<kAlign>(cpu, i, value) : !readRm<16, kAlign>(cpu, i, value.lower)) return Outcome::kFault;
  setVex(cpu, i.reg, value.lower, value.upper);
  return Outcome::kNext;
}

template <Align kAlign>
Outcome storeRegister(Cpu& cpu, const Insn& i, std::size_t size) {
  std::uint64_t address;
  if (!operandAddress<kAlign>(cpu, i, size, AccessKind::kWrite, address)) return Outcome::kFault;
  return cpu.storeBytes(address, cpu.st.vector[i.reg].bytes.data(), size, i.segment()) ? Outcome::kNext
                                                                                       : Outcome::kFault;
}
template <Align kAlign>
Outcome sseStore(Cpu& cpu, const Insn& i) {
  if (i.memory()) return storeRegister<kAlign>(cpu, i, 16);
  setSse(cpu, i.rm, half(cpu, i.reg));
  return Outcome::kNext;
}
template <Align kAlign>
Outcome vexStore(Cpu& cpu, const Insn& i) {
  if (i.memory()) return storeRegister<kAlign>(cpu, i, i.vexL() ? 32 : 16);
  setVex(cpu, i.rm, half(cpu, i.reg), i.vexL() ? half(cpu, i.reg, 1) : kZero);
  return Outcome::kNext;
}

// --- quadwords and doublewords into the lower lanes, zeros above
template <unsigned kBytes>
Vec lowerLanes(Vec v) {
  return kBytes == 8 ? low(v[0]) : low(v[0] & 0xffffffff);
}
template <unsigned kBytes>
Outcome storeLow(Cpu& cpu, const Insn& i) {
  const std::uint64_t value = half(cpu, i.reg)[0];
  if constexpr (kBytes == 8)
    return cpu.write<std::uint64_t>(i, value) ? Outcome::kNext : Outcome::kFault;
  else
    return cpu.write<std::uint32_t>(i, static_cast<std::uint32_t>(value)) ? Outcome::kNext : Outcome::kFault;
}

std::uint64_t generalRegister(const Cpu& cpu, const Insn& i, std::uint8_t at) {
  return isWide(cpu, i) ? cpu.gpr<std::uint64_t>(at) : cpu.gpr<std::uint32_t>(at);
}
void setGeneralRegister(Cpu& cpu, const Insn& i, std::uint8_t at, std::uint64_t value) {
  if (isWide(cpu, i))
    cpu.setGpr<std::uint64_t>(at, value);
  else
    cpu.setGpr<std::uint32_t>(at, static_cast<std::uint32_t>(value));
}
bool readGeneral(Cpu& cpu, const Insn& i, std::uint64_t& value) {
  if (!i.memory()) {
    value = generalRegister(cpu, i, i.rm);
    return true;
  }
  if (isWide(cpu, i)) return cpu.read(i, value);
  std::uint32_t part;
  if (!cpu.read(i, part)) return false;
  value = part;
  return true;
}
Outcome writeGeneral(Cpu& cpu, const Insn& i, std::uint64_t value) {
  if (!i.memory()) {
    setGeneralRegister(cpu, i, i.rm, value);
    return Outcome::kNext;
  }
  const bool done = isWide(cpu, i) ? cpu.write<std::uint64_t>(i, value)
                                   : cpu.write<std::uint32_t>(i, static_cast<std::uint32_t>(value));
  return done ? Outcome::kNext : Outcome::kFault;
}

// --- movss, movsd. From memory they clear the lanes above; between registers they leave them (VEX: take vvvv's).
template <unsigned kBytes>
Outcome scalarLoad(Cpu& cpu, const Insn& i) {
  if (i.memory()) {
    Vec value;
    if (!readMemory<kBytes>(cpu, i, value)) return Outcome::kFault;
    setByEncoding(cpu, i, i.reg, value);
    return Outcome::kNext;
  }
  using T = std::conditional_t<kBytes == 8, std::uint64_t, std::uint32_t>;
  const Vec above = half(cpu, i.has(Insn::kVex) ? i.vvvv : i.reg);
  setByEncoding(cpu, i, i.reg, insertLane<T>(above, as<T>(half(cpu, i.rm))[0], 0));
  return Outcome::kNext;
}
template <unsigned kBytes>
Outcome scalarStore(Cpu& cpu, const Insn& i) {
  if (i.memory()) return storeLow<kBytes>(cpu, i);
  using T = std::conditional_t<kBytes == 8, std::uint64_t, std::uint32_t>;
  const Vec above = half(cpu, i.has(Insn::kVex) ? i.vvvv : i.rm);
  setByEncoding(cpu, i, i.rm, insertLane<T>(above, as<T>(half(cpu, i.reg))[0], 0));
  return Outcome::kNext;
}

template <class T>
Outcome signBits(Cpu& cpu, const Insn& i) {
  std::uint64_t mask = signMask<T>(half(cpu, i.rm));
  if (i.has(Insn::kVex) && i.vexL()) mask |= std::uint64_t{signMask<T>(half(cpu, i.rm, 1))} << kLanes<T>;
  cpu.setGpr<std::uint64_t>(i.reg, mask);
  return Outcome::kNext;
}

}  // namespace

RHEA_EXEC_BODY(movaps, &sseLoad<Align::kRequired>)
RHEA_EXEC_BODY(movaps_store, &sseStore<Align::kRequired>)
RHEA_EXEC_BODY(vmovaps, &vexLoad<Align::kRequired>)
RHEA_EXEC_BODY(vmovaps_store, &vexStore<Align::kRequired>)
RHEA_EXEC_BODY(movups, &sseLoad<Align::kNone>)
RHEA_EXEC_BODY(movups_store, &sseStore<Align::kNone>)
RHEA_EXEC_BODY(vmovups, &vexLoad<Align::kNone>)
RHEA_EXEC_BODY(vmovups_store, &vexStore<Align::kNone>)

RHEA_EXEC_BODY(movss, &scalarLoad<4>)
RHEA_EXEC_BODY(movss_store, &scalarStore<4>)
RHEA_EXEC_BODY(movsd, &scalarLoad<8>)
RHEA_EXEC_BODY(movsd_store, &scalarStore<8>)

// movd, movq between general registers or memory and a vector register; by W, 4 or 8 bytes.
RHEA_EXEC(movd) {
  std::uint64_t value;
  if (!readGeneral(cpu, i, value)) return Outcome::kFault;
  setByEncoding(cpu, i, i.reg, low(value));
  return Outcome::kNext;
}
RHEA_EXEC(movd_store) { return writeGeneral(cpu, i, half(cpu, i.reg)[0]); }
RHEA_EXEC(movd_mmx) {
  if (fpu::exceptionPending(cpu)) return Outcome::kFault;
  std::uint64_t value;
  if (!readGeneral(cpu, i, value)) return Outcome::kFault;
  enterMmx(cpu);
  setMm(cpu, i.reg, value);
  return Outcome::kNext;
}
RHEA_EXEC(movd_store_mmx) {
  if (fpu::exceptionPending(cpu)) return Outcome::kFault;
  const Outcome outcome = writeGeneral(cpu, i, mm(cpu, i.reg)[0]);
  if (outcome == Outcome::kNext) enterMmx(cpu);
  return outcome;
}

RHEA_EXEC(movq) {
  Vec value;
  if (!readRm<8>(cpu, i, value)) return Outcome::kFault;
  setByEncoding(cpu, i, i.reg, lowerLanes<8>(value));
  return Outcome::kNext;
}
RHEA_EXEC(movq_store) {
  if (i.memory()) return storeLow<8>(cpu, i);
  setByEncoding(cpu, i, i.rm, lowerLanes<8>(half(cpu, i.reg)));
  return Outcome::kNext;
}
RHEA_EXEC(movq_mmx) {
  if (fpu::exceptionPending(cpu)) return Outcome::kFault;
  Vec value;
  if (!readMmxRm(cpu, i, value)) return Outcome::kFault;
  enterMmx(cpu);
  setMm(cpu, i.reg, value[0]);
  return Outcome::kNext;
}
RHEA_EXEC(movq_store_mmx) {
  if (fpu::exceptionPending(cpu)) return Outcome::kFault;
  const std::uint64_t value = mm(cpu, i.reg)[0];
  if (i.memory() && !cpu.write<std::uint64_t>(i, value)) return Outcome::kFault;
  enterMmx(cpu);
  if (!i.memory()) setMm(cpu, i.rm, value);
  return Outcome::kNext;
}
RHEA_EXEC(movq2dq) {
  if (fpu::exceptionPending(cpu)) return Outcome::kFault;
  enterMmx(cpu);
  setSse(cpu, i.reg, mm(cpu, i.rm));
  return Outcome::kNext;
}
RHEA_EXEC(movdq2q) {
  if (fpu::exceptionPending(cpu)) return Outcome::kFault;
  enterMmx(cpu);
  setMm(cpu, i.reg, half(cpu, i.rm)[0]);
  return Outcome::kNext;
}

// movlps, movlpd; with registers NP 0f 12 is movhlps.
RHEA_EXEC(movlps) {
  const Vec above = half(cpu, i.has(Insn::kVex) ? i.vvvv : i.reg);
  std::uint64_t value;
  if (!i.memory())
    value = half(cpu, i.rm)[1];
  else if (!cpu.read(i, value))
    return Outcome::kFault;
  setByEncoding(cpu, i, i.reg, pair(value, above[1]));
  return Outcome::kNext;
}
// movhps, movhpd; with registers NP 0f 16 is movlhps.
RHEA_EXEC(movhps) {
  const Vec below = half(cpu, i.has(Insn::kVex) ? i.vvvv : i.reg);
  std::uint64_t value;
  if (!i.memory())
    value = half(cpu, i.rm)[0];
  else if (!cpu.read(i, value))
    return Outcome::kFault;
  setByEncoding(cpu, i, i.reg, pair(below[0], value));
  return Outcome::kNext;
}
RHEA_EXEC_BODY(movlps_store, &storeLow<8>)
RHEA_EXEC(movhps_store) { return cpu.write<std::uint64_t>(i, half(cpu, i.reg)[1]) ? Outcome::kNext : Outcome::kFault; }

RHEA_EXEC_BODY(movmskps, &signBits<std::int32_t>)
RHEA_EXEC_BODY(movmskpd, &signBits<std::int64_t>)
RHEA_EXEC_BODY(pmovmskb, &signBits<std::int8_t>)
RHEA_EXEC(pmovmskb_mmx) {
  if (fpu::exceptionPending(cpu)) return Outcome::kFault;
  enterMmx(cpu);
  cpu.setGpr<std::uint64_t>(i.reg, signMask<std::int8_t>(mm(cpu, i.rm)));
  return Outcome::kNext;
}

RHEA_EXEC(vzeroupper) {
  const unsigned count = cpu.st.mode64() ? 16 : 8;
  for (unsigned n = 0; n < count; ++n) {
    if (i.vexL()) setHalf(cpu, n, 0, kZero);  // vzeroall
    setHalf(cpu, n, 1, kZero);
  }
  return Outcome::kNext;
}

RHEA_EXEC(emms) {
  if (fpu::exceptionPending(cpu)) return Outcome::kFault;
  cpu.st.fpu.tags = 0;
  if (fpu::emmsClearsTop()) cpu.st.fpu.status &= static_cast<std::uint16_t>(~fpu::kStatusTop);
  return Outcome::kNext;
}

}  // namespace rhea::x86
