// x87 control and environment: fldcw, fnstcw, fnstsw, fnclex, fninit, fldenv, fnstenv, frstor, fnsave, fwait.
#include "target/x86/fpu/native.h"
#include "target/x86/fpu/pending.h"

namespace rhea::x86 {
namespace {

using namespace fpu;

void initialise(Fpu& fpu) {
  fpu.control = kControlInitial;
  fpu.status = 0;
  fpu.tags = 0;
  fpu.opcode = 0;
  fpu.ip = fpu.dp = 0;
  fpu.ipSelector = fpu.dpSelector = 0;
}

void setControl(Fpu& fpu, std::uint16_t value) {
  fpu.control = (value & kControlValid) | kControlFixed;
  fpu.status = withSummary(fpu.status, fpu.control);
}

// --- environments: seven words or doublewords, pointers as selector and offset or, in real and virtual-8086 mode, as
// linear addresses (SDM volume 1, figures 8-9 to 8-12). Unused upper halves are ones.
using Environment7 = std::array<std::uint32_t, 7>;
bool linearPointers(const Cpu& cpu) { return !cpu.st.protectedMode() || cpu.st.v86(); }

Environment7 environmentOf(const Cpu& cpu, bool wide) {
  const Fpu& fpu = cpu.st.fpu;
  const auto ip = static_cast<std::uint32_t>(fpu.ip);
  const auto dp = static_cast<std::uint32_t>(fpu.dp);
  Environment7 e{fpu.control, fpu.status, fullTags(fpu), 0, 0, 0, 0};
  if (linearPointers(cpu)) {
    const std::uint32_t ipLinear = ip + fpu.ipSelector * 16u;
    const std::uint32_t dpLinear = dp + fpu.dpSelector * 16u;
    e[3] = ipLinear & 0xffff;
    e[4] = (ipLinear >> 16 << 12 & (wide ? 0xffff000 : 0xf000)) | (fpu.opcode & 0x7ff);
    e[5] = dpLinear & 0xffff;
    e[6] = dpLinear >> 16 << 12 & (wide ? 0xffff000 : 0xf000);
  } else {
    e[3] = ip;
    e[4] = wide ? fpu.ipSelector | (fpu.opcode & 0x7ffu) << 16 : fpu.ipSelector;
    e[5] = dp;
    e[6] = fpu.dpSelector;
  }
  if (wide) {
    for (const std::size_t n : {0u, 1u, 2u}) e[n] |= 0xffff0000;
    if (!linearPointers(cpu))
      e[6] |= 0xffff0000;
    else
      e[3] |= 0xffff0000, e[5] |= 0xffff0000;
  }
  return e;
}

std::size_t pack(const Environment7& e, bool wide, std::uint8_t* to) {
  for (std::size_t n = 0; n < 7; ++n) std::memcpy(to + n * (wide ? 4 : 2), &e[n], wide ? 4 : 2);
  return wide ? 28 : 14;
}

void loadEnvironment(Cpu& cpu, const std::uint8_t* from, bool wide) {
  Environment7 e{};
  for (std::size_t n = 0; n < 7; ++n) std::memcpy(&e[n], from + n * (wide ? 4 : 2), wide ? 4 : 2);
  Fpu& fpu = cpu.st.fpu;
  fpu.control = static_cast<std::uint16_t>((e[0] & kControlValid) | kControlFixed);
  fpu.status = withSummary(static_cast<std::uint16_t>(e[1]), fpu.control);
  fpu.tags = 0;
  for (unsigned n = 0; n < 8; ++n) {
    if ((e[2] >> (2 * n) & 3) != 3) fpu.tags |= static_cast<std::uint8_t>(1u << n);
  }
  if (linearPointers(cpu)) {
    fpu.opcode = static_cast<std::uint16_t>(e[4] & 0x7ff);
    fpu.ip = (e[3] & 0xffff) | (e[4] >> 12 & 0xffff) << 16;
    fpu.dp = (e[5] & 0xffff) | (e[6] >> 12 & 0xffff) << 16;
    fpu.ipSelector = fpu.dpSelector = 0;
  } else {
    fpu.ip = e[3];
    fpu.ipSelector = static_cast<std::uint16_t>(e[4]);
    if (wide) fpu.opcode = e[4] >> 16 & 0x7ff;
    fpu.dp = e[5];
    fpu.dpSelector = static_cast<std::uint16_t>(e[6]);
  }
}

bool wideEnvironment(const Cpu& cpu, const Insn& i) { return i.has(Insn::k66) == (cpu.st.codeBytes == 2); }

}  // namespace

RHEA_EXEC(fwait) { return exceptionPending(cpu) ? Outcome::kFault : Outcome::kNext; }

RHEA_EXEC(fninit) {
  initialise(cpu.st.fpu);
  return Outcome::kNext;
}
RHEA_EXEC(fnclex) {
  cpu.st.fpu.status &= static_cast<std::uint16_t>(~(kStatusSticky | kStatusSummary | kStatusBusy));
  return Outcome::kNext;
}
RHEA_EXEC(fnstcw) { return cpu.write<std::uint16_t>(i, cpu.st.fpu.control) ? Outcome::kNext : Outcome::kFault; }
RHEA_EXEC(fldcw) {
  if (exceptionPending(cpu)) return Outcome::kFault;
  std::uint16_t value;
  if (!cpu.read(i, value)) return Outcome::kFault;
  setControl(cpu.st.fpu, value);
  return Outcome::kNext;
}
RHEA_EXEC(fnstsw) { return cpu.write<std::uint16_t>(i, cpu.st.fpu.status) ? Outcome::kNext : Outcome::kFault; }
RHEA_EXEC(fnstsw_ax) {
  cpu.setGpr<std::uint16_t>(0, cpu.st.fpu.status);
  return Outcome::kNext;
}

RHEA_EXEC(fnstenv) {
  const bool wide = wideEnvironment(cpu, i);
  std::array<std::uint8_t, 28> bytes;
  const std::size_t size = pack(environmentOf(cpu, wide), wide, bytes.data());
  if (!cpu.writeBytes(i, bytes.data(), size)) return Outcome::kFault;
  setControl(cpu.st.fpu, cpu.st.fpu.control | kStatusExceptions);
  return Outcome::kNext;
}
RHEA_EXEC(fldenv) {
  if (exceptionPending(cpu)) return Outcome::kFault;
  const bool wide = wideEnvironment(cpu, i);
  std::array<std::uint8_t, 28> bytes;
  if (!cpu.readBytes(i, bytes.data(), wide ? 28 : 14)) return Outcome::kFault;
  loadEnvironment(cpu, bytes.data(), wide);
  return Outcome::kNext;
}

RHEA_EXEC(fnsave) {
  const bool wide = wideEnvironment(cpu, i);
  std::array<std::uint8_t, 108> bytes;
  std::size_t size = pack(environmentOf(cpu, wide), wide, bytes.data());
  Fpu& fpu = cpu.st.fpu;
  for (unsigned n = 0; n < 8; ++n, size += 10)
    std::memcpy(bytes.data() + size, &fpu.registers[(fpu.top() + n) & 7], 10);
  if (!cpu.writeBytes(i, bytes.data(), size)) return Outcome::kFault;
  initialise(fpu);
  return Outcome::kNext;
}
RHEA_EXEC(frstor) {
  if (exceptionPending(cpu)) return Outcome::kFault;
  const bool wide = wideEnvironment(cpu, i);
  std::array<std::uint8_t, 108> bytes;
  std::size_t at = wide ? 28 : 14;
  if (!cpu.readBytes(i, bytes.data(), at + 80)) return Outcome::kFault;
  loadEnvironment(cpu, bytes.data(), wide);
  Fpu& fpu = cpu.st.fpu;
  for (unsigned n = 0; n < 8; ++n, at += 10) {
    Float80& to = fpu.registers[(fpu.top() + n) & 7];
    std::memcpy(&to.mantissa, bytes.data() + at, 8);
    std::memcpy(&to.signExponent, bytes.data() + at + 8, 2);
  }
  return Outcome::kNext;
}

}  // namespace rhea::x86
