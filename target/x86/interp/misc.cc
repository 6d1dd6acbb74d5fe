// Flag instructions, decimal adjustment, fences, what does nothing; and functions that are no instruction.
#include "target/x86/block.h"
#include "target/x86/decode.h"
#include "target/x86/interp/operands.h"

namespace rhea::x86 {

RHEA_EXEC(nop) { return Outcome::kNext; }
RHEA_EXEC(pause) { return Outcome::kNext; }
RHEA_EXEC(ud) { return cpu.undefined(); }

RHEA_EXEC(fence) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return Outcome::kNext;
}

RHEA_EXEC(clflush) {
  // Caches need nothing; the address has to be readable.
  std::uint64_t address;
  const std::uint8_t* host;
  if (!cpu.linear(i, 1, AccessKind::kRead, address) || !cpu.readable(address, 1, i.segment(), host))
    return Outcome::kFault;
  return Outcome::kNext;
}

RHEA_EXEC(cmc) {
  cpu.st.arith ^= 0x100;
  return Outcome::kNext;
}
RHEA_EXEC(clc) {
  cpu.st.setCf(false);
  return Outcome::kNext;
}
RHEA_EXEC(stc) {
  cpu.st.setCf(true);
  return Outcome::kNext;
}
RHEA_EXEC(cld) {
  cpu.st.system &= ~kDf;
  return Outcome::kNext;
}
RHEA_EXEC(std) {
  cpu.st.system |= kDf;
  return Outcome::kNext;
}

RHEA_EXEC(lahf) {
  cpu.setGpr<std::uint8_t>(1, static_cast<std::uint8_t>((cpu.st.arithmeticFlags() & 0xff) | 2));
  return Outcome::kNext;
}
RHEA_EXEC(sahf) {
  const std::uint64_t flags = cpu.gpr<std::uint8_t>(1);
  cpu.st.setArithmetic((cpu.st.arithmeticFlags() & kOf) | (flags & (kCf | kPf | kAf | kZf | kSf)));
  return Outcome::kNext;
}

RHEA_EXEC(cli) {
  State& st = cpu.st;
  const unsigned level = st.protectedMode() ? st.cpl : 0U;
  if (level <= st.iopl()) {
    st.system &= ~kIf;
    return Outcome::kNext;
  }
  const bool virtualised = st.v86() ? (st.cr4 & kCr4Vme) != 0 : level == 3 && (st.cr4 & kCr4Pvi) != 0;
  if (!virtualised) return cpu.generalProtection();
  st.system &= ~kVif;
  return Outcome::kNext;
}

RHEA_EXEC(sti) {
  State& st = cpu.st;
  const unsigned level = st.protectedMode() ? st.cpl : 0U;
  if (level <= st.iopl()) {
    if ((st.system & kIf) == 0) {
      cpu.setRflags(kIf, kIf);
      cpu.inhibitInterrupts();
    }
    return cpu.edge(i);
  }
  const bool virtualised = st.v86() ? (st.cr4 & kCr4Vme) != 0 : level == 3 && (st.cr4 & kCr4Pvi) != 0;
  if (!virtualised || (st.system & kVip) != 0) return cpu.generalProtection();
  st.system |= kVif;
  return cpu.edge(i);
}

namespace {

bool evenParity(std::uint8_t value) { return (std::popcount(value) & 1) == 0; }

void setDecimalFlags(State& st, std::uint8_t al, bool adjust, bool carry, bool overflow) {
  st.setArithmetic((al == 0 ? kZf : 0) | ((al & 0x80) != 0 ? kSf : 0) | (evenParity(al) ? kPf : 0) |
                   (adjust ? kAf : 0) | (carry ? kCf : 0) | (overflow ? kOf : 0));
}

// daa and das: +-6 for the low digit, +-0x60 for the high one.
template <bool kSubtract>
Outcome decimalAdjust(Cpu& cpu, const Insn&) {
  State& st = cpu.st;
  const auto old = cpu.gpr<std::uint8_t>(0);
  auto al = old;
  const std::uint64_t flags = st.arithmeticFlags();
  bool carry = (flags & kCf) != 0;
  const bool low = (old & 15) > 9 || (flags & kAf) != 0;
  const bool high = old > 0x99 || carry;
  if (low) {
    if (kSubtract && old < 6) carry = true;
    al = static_cast<std::uint8_t>(kSubtract ? al - 6 : al + 6);
  }
  if (high) al = static_cast<std::uint8_t>(kSubtract ? al - 0x60 : al + 0x60);
  cpu.setGpr<std::uint8_t>(0, al);
  setDecimalFlags(st, al, low, high || (kSubtract && low && carry), false);
  return Outcome::kNext;
}

template <bool kSubtract>
Outcome asciiAdjust(Cpu& cpu, const Insn&) {
  State& st = cpu.st;
  auto ax = static_cast<std::uint16_t>(st.gpr[kRax]);
  const bool adjust = (ax & 15) > 9 || (st.arithmeticFlags() & kAf) != 0;
  if (adjust) ax = static_cast<std::uint16_t>(kSubtract ? ax - 0x106 : ax + 0x106);
  ax &= 0xff0f;
  cpu.setGpr<std::uint16_t>(0, ax);
  setDecimalFlags(st, static_cast<std::uint8_t>(ax), adjust, adjust, false);
  return Outcome::kNext;
}

}  // namespace

RHEA_EXEC_BODY(daa, &decimalAdjust<false>)
RHEA_EXEC_BODY(das, &decimalAdjust<true>)
RHEA_EXEC_BODY(aaa, &asciiAdjust<false>)
RHEA_EXEC_BODY(aas, &asciiAdjust<true>)

RHEA_EXEC(aam) {
  const auto base = static_cast<std::uint8_t>(i.imm);
  if (base == 0) return cpu.raise(kDivideError);
  const auto al = cpu.gpr<std::uint8_t>(0);
  const auto rest = static_cast<std::uint8_t>(al % base);
  cpu.setGpr<std::uint16_t>(0, static_cast<std::uint16_t>(((al / base) << 8) | rest));
  setDecimalFlags(cpu.st, rest, false, false, false);
  return Outcome::kNext;
}
RHEA_EXEC(aad) {
  const auto sum =
      static_cast<std::uint8_t>(cpu.gpr<std::uint8_t>(0) + cpu.gpr<std::uint8_t>(1) * static_cast<std::uint8_t>(i.imm));
  cpu.setGpr<std::uint16_t>(0, sum);
  setDecimalFlags(cpu.st, sum, false, false, false);
  return Outcome::kNext;
}

Outcome execInvalid(Cpu& cpu, const Insn* insn) {
  cpu.last = insn;
  return cpu.undefined();
}
Outcome execTooLong(Cpu& cpu, const Insn* insn) {
  cpu.last = insn;
  return cpu.generalProtection();
}
Outcome execPrivileged(Cpu& cpu, const Insn* insn) {
  cpu.last = insn;
  return cpu.generalProtection();
}
Outcome execNoDevice(Cpu& cpu, const Insn* insn) {
  cpu.last = insn;
  return cpu.raise(kDeviceNotAvailable);
}
namespace {

Outcome endOfBlock(Cpu& cpu, const Insn& i) {
  cpu.st.gpr[kRipRegister] = cpu.rip(i);
  return Outcome::kLinked0;
}

}  // namespace

Outcome execEndOfBlock(Cpu& cpu, const Insn* insn) { return leave<&endOfBlock>(cpu, insn); }
Outcome execStop(Cpu& cpu, const Insn* insn) {
  cpu.stoppedBefore = true;
  cpu.last = insn;
  cpu.st.gpr[kRipRegister] = cpu.rip(*insn);
  return Outcome::kEdge;
}

}  // namespace rhea::x86
