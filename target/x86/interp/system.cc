// System instructions: control and debug registers, descriptor table registers, MSRs, time, processor identification.
#include <immintrin.h>

#include "target/x86/interp/operands.h"

namespace rhea::x86 {

namespace {

bool readWordRm(Cpu& cpu, const Insn& i, std::uint16_t& value) {
  if (i.memory()) return cpu.read(i, value);
  value = cpu.gpr<std::uint16_t>(i.rm);
  return true;
}

// To memory 16 bits, to a register its operand size.
Outcome writeSelector(Cpu& cpu, const Insn& i, std::uint64_t value) {
  if (i.memory()) return cpu.write(i, static_cast<std::uint16_t>(value)) ? Outcome::kNext : Outcome::kFault;
  if (i.operandBytes() == 2)
    cpu.setGpr<std::uint16_t>(i.rm, static_cast<std::uint16_t>(value));
  else if (i.operandBytes() == 4)
    cpu.setGpr<std::uint32_t>(i.rm, static_cast<std::uint32_t>(value));
  else
    cpu.setGpr<std::uint64_t>(i.rm, value);
  return Outcome::kNext;
}

// UMIP: user programs may not look at table addresses.
bool umip(Cpu& cpu) { return (cpu.st.cr4 & kCr4Umip) == 0 || cpu.st.cpl == 0 || cpu.fail(kGeneralProtection); }

void setZero(State& st, bool zero) {
  st.arith = static_cast<std::uint16_t>((st.arith & ~0x4000U) | (zero ? 0x4000U : 0U));
}

Outcome storeTable(Cpu& cpu, const Insn& i, const TableRegister& table) {
  if (!umip(cpu)) return Outcome::kFault;
  const std::size_t width = cpu.st.mode64() ? 8 : 4;
  std::array<std::uint8_t, 10> bytes{};
  const auto limit = static_cast<std::uint16_t>(table.limit);
  std::memcpy(bytes.data(), &limit, 2);
  std::memcpy(bytes.data() + 2, &table.base, width);
  return cpu.writeBytes(i, bytes.data(), 2 + width) ? Outcome::kNext : Outcome::kFault;
}
Outcome loadTable(Cpu& cpu, const Insn& i, TableRegister& table) {
  const std::size_t width = cpu.st.mode64() ? 8 : 4;
  std::array<std::uint8_t, 10> bytes{};
  if (!cpu.readBytes(i, bytes.data(), 2 + width)) return Outcome::kFault;
  std::uint64_t base = 0;
  std::memcpy(&base, bytes.data() + 2, width);
  if (width == 4 && i.operandBytes() == 2) base &= 0xffffff;
  if (width == 8 && !cpu.canonical(base)) return cpu.generalProtection();
  table.limit = loadHost<std::uint16_t>(bytes.data());
  table.base = base;
  return cpu.edge(i);
}

}  // namespace

RHEA_EXEC(sgdt) { return storeTable(cpu, i, cpu.st.gdtr); }
RHEA_EXEC(sidt) { return storeTable(cpu, i, cpu.st.idtr); }
RHEA_EXEC(lgdt) { return loadTable(cpu, i, cpu.st.gdtr); }
RHEA_EXEC(lidt) { return loadTable(cpu, i, cpu.st.idtr); }
RHEA_EXEC(sldt) { return umip(cpu) ? writeSelector(cpu, i, cpu.st.ldtr.selector) : Outcome::kFault; }
RHEA_EXEC(str) { return umip(cpu) ? writeSelector(cpu, i, cpu.st.tr.selector) : Outcome::kFault; }
RHEA_EXEC(smsw) { return umip(cpu) ? writeSelector(cpu, i, cpu.st.cr0) : Outcome::kFault; }

RHEA_EXEC(lldt) {
  std::uint16_t selector;
  if (!readWordRm(cpu, i, selector)) return Outcome::kFault;
  const std::uint32_t error = selector & 0xfffcU;
  if (error == 0) {
    cpu.st.ldtr = {};
    cpu.st.ldtr.selector = selector;
    return cpu.edge(i);
  }
  if ((selector & 4) != 0) return cpu.generalProtection(error);
  Cpu::Descriptor d;
  if (!cpu.readDescriptor(selector, d, kGeneralProtection, cpu.st.longMode())) return Outcome::kFault;
  if (!d.system() || d.type() != 2) return cpu.generalProtection(error);
  if (!d.present()) return cpu.raise(kSegmentNotPresent, error);
  cpu.st.ldtr = d.segment(selector);
  return cpu.edge(i);
}

RHEA_EXEC(ltr) {
  std::uint16_t selector;
  if (!readWordRm(cpu, i, selector)) return Outcome::kFault;
  const std::uint32_t error = selector & 0xfffcU;
  if (error == 0 || (selector & 4) != 0) return cpu.generalProtection(error);
  Cpu::Descriptor d;
  if (!cpu.readDescriptor(selector, d, kGeneralProtection, cpu.st.longMode())) return Outcome::kFault;
  const bool available = d.type() == 9 || (d.type() == 1 && !cpu.st.longMode());
  if (!d.system() || !available) return cpu.generalProtection(error);
  if (!d.present()) return cpu.raise(kSegmentNotPresent, error);
  const auto busy = static_cast<std::uint8_t>(d.low >> 40 | 2);
  if (!cpu.storeSystem(d.address + 5, &busy, 1)) return Outcome::kFault;
  d.low |= std::uint64_t{2} << 40;
  cpu.st.tr = d.segment(selector);
  return cpu.edge(i);
}

namespace {

// VERR, VERW, LAR, LSL: whether the descriptor can be looked at from here; false: a page fault.
bool visible(Cpu& cpu, std::uint16_t selector, Cpu::Descriptor& d, bool& good) {
  good = false;
  if ((selector & 0xfffc) == 0) return true;
  bool found;
  if (!cpu.peekDescriptor(selector, d, found, false)) return false;
  if (!found) return true;
  const unsigned rpl = selector & 3;
  const bool conforming = !d.system() && d.code() && d.conforming();
  good = conforming || (d.dpl() >= rpl && d.dpl() >= cpu.st.cpl);
  return true;
}

Outcome verify(Cpu& cpu, const Insn& i, bool write) {
  std::uint16_t selector;
  if (!readWordRm(cpu, i, selector)) return Outcome::kFault;
  Cpu::Descriptor d;
  bool good;
  if (!visible(cpu, selector, d, good)) return Outcome::kFault;
  if (good) {
    if (d.system())
      good = false;
    else if (write)
      good = !d.code() && (d.type() & 2) != 0;
    else
      good = !d.code() || (d.type() & 2) != 0;
  }
  setZero(cpu.st, good);
  return Outcome::kNext;
}

}  // namespace

RHEA_EXEC(verr) { return verify(cpu, i, false); }
RHEA_EXEC(verw) { return verify(cpu, i, true); }

RHEA_EXEC(lar) {
  std::uint16_t selector;
  if (!readWordRm(cpu, i, selector)) return Outcome::kFault;
  Cpu::Descriptor d;
  bool good;
  if (!visible(cpu, selector, d, good)) return Outcome::kFault;
  if (good && d.system()) {
    const unsigned type = d.type();
    const bool legacy =
        type == 1 || type == 2 || type == 3 || type == 4 || type == 5 || type == 9 || type == 0xb || type == 0xc;
    good = cpu.st.longMode() ? type == 2 || type == 9 || type == 0xb || type == 0xc : legacy;
  }
  setZero(cpu.st, good);
  if (!good) return Outcome::kNext;
  const std::uint64_t value = d.low >> 32 & 0xf0ff00;
  if (i.operandBytes() == 2)
    cpu.setGpr<std::uint16_t>(i.reg, static_cast<std::uint16_t>(value));
  else
    cpu.setGpr<std::uint64_t>(i.reg, value);
  return Outcome::kNext;
}

RHEA_EXEC(lsl) {
  std::uint16_t selector;
  if (!readWordRm(cpu, i, selector)) return Outcome::kFault;
  Cpu::Descriptor d;
  bool good;
  if (!visible(cpu, selector, d, good)) return Outcome::kFault;
  if (good && d.system()) {
    const unsigned type = d.type();
    const bool legacy = type == 1 || type == 2 || type == 3 || type == 9 || type == 0xb;
    good = cpu.st.longMode() ? type == 2 || type == 9 || type == 0xb : legacy;
  }
  setZero(cpu.st, good);
  if (!good) return Outcome::kNext;
  const std::uint32_t limit = d.segment(selector).limit;
  if (i.operandBytes() == 2)
    cpu.setGpr<std::uint16_t>(i.reg, static_cast<std::uint16_t>(limit));
  else
    cpu.setGpr<std::uint64_t>(i.reg, limit);
  return Outcome::kNext;
}

RHEA_EXEC(arpl) {
  const auto from = cpu.gpr<std::uint16_t>(i.reg);
  bool changed = false;
  const auto adjust = [&](InPlace<std::uint16_t>& to) {
    changed = (to.value & 3) < (from & 3);
    if (changed) to.value = static_cast<std::uint16_t>((to.value & ~3) | (from & 3));
  };
  if (i.memory()) {
    if (const Outcome outcome = cpu.modify<std::uint16_t>(i, adjust); outcome != Outcome::kNext) return outcome;
  } else {
    InPlace<std::uint16_t> value{cpu.gpr<std::uint16_t>(i.rm)};
    adjust(value);
    cpu.setGpr<std::uint16_t>(i.rm, value.value);
  }
  setZero(cpu.st, changed);
  return Outcome::kNext;
}

RHEA_EXEC(lmsw) {
  std::uint16_t value;
  if (!readWordRm(cpu, i, value)) return Outcome::kFault;
  // PE can be set, not cleared.
  const std::uint64_t cr0 = (cpu.st.cr0 & ~std::uint64_t{0xe}) | (value & 0xf);
  return cpu.writeCr0(cr0) ? cpu.edge(i) : Outcome::kFault;
}
RHEA_EXEC(clts) {
  cpu.st.cr0 &= ~kCr0Ts;
  cpu.updateMode();
  return cpu.edge(i);
}

RHEA_EXEC(mov_from_cr) {
  const State& st = cpu.st;
  std::uint64_t value;
  switch (i.reg) {
    case 0:
      value = st.cr0;
      break;
    case 2:
      value = st.cr2;
      break;
    case 3:
      value = st.cr3;
      break;
    case 4:
      value = st.cr4;
      break;
    case 8:
      value = cpu.interrupts() != nullptr ? cpu.interrupts()->priority() >> 4 : st.cr8;
      break;
    default:
      return cpu.undefined();
  }
  if (st.mode64())
    cpu.setGpr<std::uint64_t>(i.rm, value);
  else
    cpu.setGpr<std::uint32_t>(i.rm, static_cast<std::uint32_t>(value));
  return cpu.edge(i);
}

RHEA_EXEC(mov_to_cr) {
  State& st = cpu.st;
  const std::uint64_t value = st.mode64() ? cpu.gpr<std::uint64_t>(i.rm) : cpu.gpr<std::uint32_t>(i.rm);
  bool good = true;
  switch (i.reg) {
    case 0:
      good = cpu.writeCr0(value);
      break;
    case 2:
      st.cr2 = value;
      break;
    case 3:
      good = cpu.writeCr3(value);
      break;
    case 4:
      good = cpu.writeCr4(value);
      break;
    case 8:
      if ((value & ~std::uint64_t{15}) != 0) return cpu.generalProtection();
      st.cr8 = value;
      if (cpu.interrupts() != nullptr) cpu.interrupts()->setPriority(static_cast<std::uint8_t>(value << 4));
      break;
    default:
      return cpu.undefined();
  }
  return good ? cpu.edge(i) : Outcome::kFault;
}

namespace {

bool debugRegister(Cpu& cpu, const Insn& i, unsigned& number) {
  number = i.reg;
  if (number > 7) {
    cpu.undefined();
    return false;
  }
  if (number == 4 || number == 5) {
    if ((cpu.st.cr4 & kCr4De) != 0) {
      cpu.undefined();
      return false;
    }
    number += 2;
  }
  if ((cpu.st.dr[7] & 0x2000) != 0) {  // GD
    cpu.raiseDebug(0x2000);
    return false;
  }
  return true;
}

}  // namespace

RHEA_EXEC(mov_from_dr) {
  unsigned number;
  if (!debugRegister(cpu, i, number)) return Outcome::kFault;
  if (cpu.st.mode64())
    cpu.setGpr<std::uint64_t>(i.rm, cpu.st.dr[number]);
  else
    cpu.setGpr<std::uint32_t>(i.rm, static_cast<std::uint32_t>(cpu.st.dr[number]));
  return cpu.edge(i);
}
RHEA_EXEC(mov_to_dr) {
  unsigned number;
  if (!debugRegister(cpu, i, number)) return Outcome::kFault;
  const std::uint64_t value = cpu.st.mode64() ? cpu.gpr<std::uint64_t>(i.rm) : cpu.gpr<std::uint32_t>(i.rm);
  if (number >= 6 && (value >> 32) != 0) return cpu.generalProtection();
  if (number == 6)
    cpu.st.dr[6] = (value & 0xe00f) | 0xffff0ff0;
  else if (number == 7)
    cpu.st.dr[7] = (value & 0xffff2fff) | 0x400;
  else
    cpu.st.dr[number] = value;
  cpu.updateMode();
  return cpu.edge(i);
}

RHEA_EXEC(invlpg) {
  std::uint64_t address = cpu.effectiveMasked(i);
  const SegmentIndex segment = i.segment();
  if (!cpu.st.mode64() || segment >= kFs) address += cpu.st.segments[segment].base;
  if (!cpu.st.mode64())
    address &= 0xffffffff;
  else if (!cpu.canonical(address))
    return cpu.edge(i);
  cpu.flushPage(address);
  return cpu.edge(i);
}

RHEA_EXEC(invpcid) {
  const std::uint64_t type = cpu.st.mode64() ? cpu.gpr<std::uint64_t>(i.reg) : cpu.gpr<std::uint32_t>(i.reg);
  std::array<std::uint64_t, 2> descriptor{};
  if (!cpu.readBytes(i, descriptor.data(), 16)) return Outcome::kFault;
  if (type > 3 || (descriptor[0] >> 12) != 0) return cpu.generalProtection();
  if (type < 2 && descriptor[0] != 0 && (cpu.st.cr4 & kCr4Pcide) == 0) return cpu.generalProtection();
  if (type == 0) {
    if (!cpu.canonical(descriptor[1])) return cpu.generalProtection();
    cpu.flushPage(descriptor[1], true);
  } else if (type == 1) {
    cpu.flushSpace(static_cast<std::uint32_t>(descriptor[0]));
  } else {
    cpu.flushTlb(type == 2);
  }
  return cpu.edge(i);
}

RHEA_EXEC(wbinvd) { return Outcome::kNext; }

RHEA_EXEC(hlt) {
  cpu.halt();
  return cpu.edge(i);
}

RHEA_EXEC(swapgs) {
  std::swap(cpu.st.segments[kGs].base, cpu.st.msr.kernelGsBase);
  return cpu.edge(i);
}
// Of level 0 only, and unlike other such instructions #UD elsewhere.
RHEA_EXEC(clac) {
  if (cpu.st.cpl != 0) return cpu.undefined();
  cpu.st.system &= ~kAc;
  cpu.selectTlb();
  return cpu.edge(i);
}
RHEA_EXEC(stac) {
  if (cpu.st.cpl != 0) return cpu.undefined();
  cpu.st.system |= kAc;
  cpu.selectTlb();
  return cpu.edge(i);
}

namespace {

template <SegmentIndex kIndex>
Outcome readBase(Cpu& cpu, const Insn& i) {
  if ((cpu.st.cr4 & kCr4Fsgsbase) == 0) return cpu.undefined();
  if (i.w())
    cpu.setGpr<std::uint64_t>(i.rm, cpu.st.segments[kIndex].base);
  else
    cpu.setGpr<std::uint32_t>(i.rm, static_cast<std::uint32_t>(cpu.st.segments[kIndex].base));
  return Outcome::kNext;
}
template <SegmentIndex kIndex>
Outcome writeBase(Cpu& cpu, const Insn& i) {
  if ((cpu.st.cr4 & kCr4Fsgsbase) == 0) return cpu.undefined();
  const std::uint64_t value = i.w() ? cpu.gpr<std::uint64_t>(i.rm) : cpu.gpr<std::uint32_t>(i.rm);
  if (!cpu.canonical(value)) return cpu.generalProtection();
  cpu.st.segments[kIndex].base = value;
  return Outcome::kNext;
}

}  // namespace

RHEA_EXEC_BODY(rdfsbase, &readBase<kFs>)
RHEA_EXEC_BODY(rdgsbase, &readBase<kGs>)
RHEA_EXEC_BODY(wrfsbase, &writeBase<kFs>)
RHEA_EXEC_BODY(wrgsbase, &writeBase<kGs>)

RHEA_EXEC(cpuid) {
  const std::array<std::uint32_t, 4> result =
      cpu.knownLeaf(cpu.gpr<std::uint32_t>(kRax * 8), cpu.gpr<std::uint32_t>(kRcx * 8));
  cpu.st.gpr[kRax] = result[0];
  cpu.st.gpr[kRbx] = result[1];
  cpu.st.gpr[kRcx] = result[2];
  cpu.st.gpr[kRdx] = result[3];
  return Outcome::kNext;
}

namespace {

void setPair(Cpu& cpu, std::uint64_t value) {
  cpu.st.gpr[kRax] = value & 0xffffffff;
  cpu.st.gpr[kRdx] = value >> 32;
}

}  // namespace

RHEA_EXEC(rdtsc) {
  if ((cpu.st.cr4 & kCr4Tsd) != 0 && cpu.st.cpl != 0) return cpu.generalProtection();
  setPair(cpu, cpu.tsc());
  return Outcome::kNext;
}
RHEA_EXEC(rdtscp) {
  if ((cpu.st.cr4 & kCr4Tsd) != 0 && cpu.st.cpl != 0) return cpu.generalProtection();
  setPair(cpu, cpu.tsc());
  cpu.st.gpr[kRcx] = cpu.st.msr.tscAux & 0xffffffff;
  return Outcome::kNext;
}
RHEA_EXEC(rdpid) {
  cpu.setGpr<std::uint64_t>(i.rm, cpu.st.msr.tscAux);
  return Outcome::kNext;
}
// There are no performance counters.
RHEA_EXEC(rdpmc) { return cpu.generalProtection(); }

RHEA_EXEC(rdmsr) {
  std::uint64_t value = 0;
  if (!cpu.readMsr(cpu.gpr<std::uint32_t>(kRcx * 8), value)) return cpu.generalProtection();
  setPair(cpu, value);
  return Outcome::kNext;
}
RHEA_EXEC(wrmsr) {
  const std::uint64_t value = (cpu.st.gpr[kRdx] << 32) | (cpu.st.gpr[kRax] & 0xffffffff);
  if (!cpu.writeMsr(cpu.gpr<std::uint32_t>(kRcx * 8), value)) return cpu.generalProtection();
  return cpu.edge(i);
}

RHEA_EXEC(xgetbv) {
  if ((cpu.st.cr4 & kCr4Osxsave) == 0) return cpu.undefined();
  const auto index = cpu.gpr<std::uint32_t>(kRcx * 8);
  if (index > 1) return cpu.generalProtection();
  setPair(cpu, index == 0 ? cpu.st.xcr0 : cpu.st.xcr0 & cpu.xinuse());
  return Outcome::kNext;
}
RHEA_EXEC(xsetbv) {
  if ((cpu.st.cr4 & kCr4Osxsave) == 0) return cpu.undefined();
  const std::uint64_t value = (cpu.st.gpr[kRdx] << 32) | (cpu.st.gpr[kRax] & 0xffffffff);
  if (cpu.gpr<std::uint32_t>(kRcx * 8) != 0 || !cpu.writeXcr0(value)) return cpu.generalProtection();
  return cpu.edge(i);
}

namespace {

// Both from the host's random source.
Outcome random(Cpu& cpu, const Insn& i) {
  std::uint64_t value = 0;
  const bool good = cpu.random(value);
  if (i.operandBytes() == 2)
    cpu.setGpr<std::uint16_t>(i.rm, static_cast<std::uint16_t>(value));
  else if (i.operandBytes() == 4)
    cpu.setGpr<std::uint32_t>(i.rm, static_cast<std::uint32_t>(value));
  else
    cpu.setGpr<std::uint64_t>(i.rm, value);
  cpu.st.setArithmetic(good ? kCf : 0);
  return Outcome::kNext;
}

}  // namespace

RHEA_EXEC_BODY(rdrand, &random)
RHEA_EXEC_BODY(rdseed, &random)

namespace {

// The port number, then whether it may be used.
template <bool kDx>
bool port(Cpu& cpu, const Insn& i, unsigned size, std::uint16_t& to) {
  to = static_cast<std::uint16_t>(kDx ? cpu.st.gpr[kRdx] : static_cast<std::uint64_t>(i.imm & 0xff));
  return cpu.portAllowed(to, size);
}
template <bool kDx>
Outcome portIn(Cpu& cpu, const Insn& i) {
  std::uint16_t number;
  const unsigned size = std::min(i.operandBytes(), 4U);
  if (!port<kDx>(cpu, i, size, number)) return Outcome::kFault;
  const std::uint64_t value = cpu.portRead(number, size);
  if (size == 1)
    cpu.setGpr<std::uint8_t>(0, static_cast<std::uint8_t>(value));
  else if (size == 2)
    cpu.setGpr<std::uint16_t>(0, static_cast<std::uint16_t>(value));
  else
    cpu.setGpr<std::uint32_t>(0, static_cast<std::uint32_t>(value));
  return cpu.edge(i);
}
template <bool kDx>
Outcome portOut(Cpu& cpu, const Insn& i) {
  std::uint16_t number;
  const unsigned size = std::min(i.operandBytes(), 4U);
  if (!port<kDx>(cpu, i, size, number)) return Outcome::kFault;
  const std::uint64_t mask = (std::uint64_t{1} << (size * 8)) - 1;
  cpu.portWrite(number, cpu.st.gpr[kRax] & mask, size);
  return cpu.edge(i);
}

}  // namespace

RHEA_EXEC_BODY(in, &portIn<false>)
RHEA_EXEC_BODY(in_dx, &portIn<true>)
RHEA_EXEC_BODY(out, &portOut<false>)
RHEA_EXEC_BODY(out_dx, &portOut<true>)

}  // namespace rhea::x86
