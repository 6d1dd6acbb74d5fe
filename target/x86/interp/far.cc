// Far transfers, software interrupts, system calls, segment register loads.
#include "target/x86/interp/operands.h"

namespace rhea::x86 {

namespace {

// A far pointer in memory: the offset, then the selector.
bool farPointer(Cpu& cpu, const Insn& i, std::uint16_t& selector, std::uint64_t& offset) {
  if (!i.memory()) {
    offset = static_cast<std::uint64_t>(i.imm) & 0xffffffff;
    selector = static_cast<std::uint16_t>(i.imm >> 32);
    return true;
  }
  std::uint64_t address;
  const unsigned size = i.operandBytes();
  offset = 0;
  return cpu.linear(i, size + 2, AccessKind::kRead, address) && cpu.loadBytes(address, &offset, size, i.segment()) &&
         cpu.load(address + size, selector, i.segment());
}

Outcome edgeOr(bool good) { return good ? Outcome::kEdge : Outcome::kFault; }

template <SegmentIndex kIndex>
Outcome loadFar(Cpu& cpu, const Insn& i) {
  std::uint16_t selector = 0;
  std::uint64_t offset;
  if (!farPointer(cpu, i, selector, offset) || !cpu.loadSegment(kIndex, selector)) return Outcome::kFault;
  if (i.operandBytes() == 2)
    cpu.setGpr<std::uint16_t>(i.reg, static_cast<std::uint16_t>(offset));
  else if (i.operandBytes() == 4)
    cpu.setGpr<std::uint32_t>(i.reg, static_cast<std::uint32_t>(offset));
  else
    cpu.setGpr<std::uint64_t>(i.reg, offset);
  return cpu.edge(i);
}

constexpr Segment flatCode(std::uint64_t selector, unsigned dpl, bool is64) {
  Segment s;
  s.selector = static_cast<std::uint16_t>(selector);
  s.attributes = static_cast<std::uint16_t>(0x809b | (dpl << 5) | (is64 ? 0x2000 : 0x4000));
  s.limit = 0xffffffff;
  return s;
}
constexpr Segment flatData(std::uint64_t selector, unsigned dpl) {
  Segment s;
  s.selector = static_cast<std::uint16_t>(selector);
  s.attributes = static_cast<std::uint16_t>(0xc093 | (dpl << 5));
  s.limit = 0xffffffff;
  return s;
}

}  // namespace

RHEA_EXEC_BODY(les, &loadFar<kEs>)
RHEA_EXEC_BODY(lds, &loadFar<kDs>)
RHEA_EXEC_BODY(lss, &loadFar<kSs>)
RHEA_EXEC_BODY(lfs, &loadFar<kFs>)
RHEA_EXEC_BODY(lgs, &loadFar<kGs>)

RHEA_EXEC(mov_from_segment) {
  const std::uint16_t selector = i.reg < 6 ? cpu.st.segments[i.reg].selector : std::uint16_t{0};
  if (i.reg > 5) return cpu.undefined();
  if (i.memory()) return cpu.write(i, selector) ? Outcome::kNext : Outcome::kFault;
  if (i.operandBytes() == 2)
    cpu.setGpr<std::uint16_t>(i.rm, selector);
  else
    cpu.setGpr<std::uint64_t>(i.rm, selector);
  return Outcome::kNext;
}

RHEA_EXEC(mov_to_segment) {
  if (i.reg > 5 || i.reg == kCs) return cpu.undefined();
  std::uint16_t selector;
  if (i.memory()) {
    if (!cpu.read(i, selector)) return Outcome::kFault;
  } else {
    selector = cpu.gpr<std::uint16_t>(i.rm);
  }
  if (!cpu.loadSegment(static_cast<SegmentIndex>(i.reg), selector)) return Outcome::kFault;
  if (i.reg == kSs) cpu.inhibitForSs();
  return cpu.edge(i);
}

RHEA_EXEC(jmp_far) {
  std::uint16_t selector = 0;
  std::uint64_t offset;
  return edgeOr(farPointer(cpu, i, selector, offset) && cpu.farJump(i, selector, offset));
}
RHEA_EXEC(call_far) {
  std::uint16_t selector = 0;
  std::uint64_t offset;
  return edgeOr(farPointer(cpu, i, selector, offset) && cpu.farCall(i, selector, offset));
}
RHEA_EXEC(retf) { return edgeOr(cpu.farReturn(i, static_cast<std::uint32_t>(i.imm))); }
RHEA_EXEC(iret) { return edgeOr(cpu.interruptReturn(i)); }

RHEA_EXEC(int3) { return edgeOr(cpu.softwareInterrupt(i, kBreakpoint, Cpu::EventKind::kSoftware)); }
RHEA_EXEC(int) { return edgeOr(cpu.softwareInterrupt(i, static_cast<std::uint8_t>(i.imm), Cpu::EventKind::kSoftware)); }
RHEA_EXEC(into) {
  if ((cpu.st.arith & 1) == 0) return cpu.edge(i);
  return edgeOr(cpu.softwareInterrupt(i, kOverflow, Cpu::EventKind::kSoftware));
}
RHEA_EXEC(int1) { return edgeOr(cpu.softwareInterrupt(i, kDebugException, Cpu::EventKind::kPrivilegedSoftware)); }

RHEA_EXEC(bound) {
  std::uint64_t address;
  const unsigned size = i.operandBytes();
  std::array<std::uint8_t, 8> bytes;
  if (!cpu.linear(i, size * 2, AccessKind::kRead, address) ||
      !cpu.loadBytes(address, bytes.data(), size * 2, i.segment()))
    return Outcome::kFault;
  const auto number = [size](const std::uint8_t* at) -> std::int32_t {
    return size == 2 ? loadHost<std::int16_t>(at) : loadHost<std::int32_t>(at);
  };
  const std::int32_t index = size == 2 ? static_cast<std::int16_t>(cpu.gpr<std::uint16_t>(i.reg))
                                       : static_cast<std::int32_t>(cpu.gpr<std::uint32_t>(i.reg));
  if (index < number(bytes.data()) || index > number(bytes.data() + size)) return cpu.raise(kBound);
  return Outcome::kNext;
}

RHEA_EXEC(syscall) {
  State& st = cpu.st;
  if ((st.msr.efer & kEferSce) == 0) return cpu.undefined();
  const bool amd = cpu.model().vendor != "GenuineIntel";
  if (!st.mode64() && !amd) return cpu.undefined();
  const std::uint64_t selector = st.msr.star >> 32 & 0xfffc;
  st.gpr[kRcx] = cpu.nextRip(i);
  if (st.longMode()) {
    st.gpr[11] = st.rflags() & ~kRf;
    st.gpr[kRipRegister] = st.mode64() ? st.msr.lstar : st.msr.cstar;
    cpu.setRflags(0, st.msr.sfmask | kRf | kVm);
  } else {
    st.gpr[kRipRegister] = st.msr.star & 0xffffffff;
    st.gpr[kRcx] &= 0xffffffff;
    cpu.setRflags(0, kIf | kRf | kVm);
  }
  st.segments[kSs] = flatData(selector + 8, 0);
  cpu.setCode(flatCode(selector, 0, st.longMode()), 0);
  cpu.stepByNewFlags();
  return Outcome::kEdge;
}

RHEA_EXEC(sysret) {
  State& st = cpu.st;
  if ((st.msr.efer & kEferSce) == 0) return cpu.undefined();
  const bool amd = cpu.model().vendor != "GenuineIntel";
  if (!st.mode64() && !amd) return cpu.undefined();
  if (!st.protectedMode()) return cpu.generalProtection();
  const std::uint64_t selector = (st.msr.star >> 48) & 0xffff;
  const bool to64 = st.mode64() && i.operandBytes() == 8;
  std::uint64_t target = st.gpr[kRcx];
  if (to64) {
    if (!amd && !cpu.canonical(target)) return cpu.generalProtection();
  } else {
    target &= 0xffffffff;
  }
  if (st.longMode())
    cpu.setRflags(st.gpr[11], kArithmeticFlags | kTf | kIf | kDf | kIopl | kNt | kAc | kVif | kVip | kId);
  else
    cpu.setRflags(kIf, kIf);
  st.system &= ~kRf;
  st.gpr[kRipRegister] = target;
  const std::uint64_t code = (to64 ? selector + 16 : selector) | 3;
  st.segments[kSs] = flatData((selector + 8) | 3, 3);
  cpu.setCode(flatCode(code, 3, to64), 3);
  cpu.stepByNewFlags();
  return Outcome::kEdge;
}

RHEA_EXEC(sysenter) {
  State& st = cpu.st;
  if (st.longMode() && cpu.model().vendor != "GenuineIntel") return cpu.undefined();
  if ((st.msr.sysenterCs & 0xfffc) == 0) return cpu.generalProtection();
  const std::uint64_t selector = st.msr.sysenterCs & 0xfffc;
  cpu.setRflags(0, kIf | kVm | kRf);
  st.gpr[kRsp] = st.longMode() ? st.msr.sysenterEsp : st.msr.sysenterEsp & 0xffffffff;
  st.gpr[kRipRegister] = st.longMode() ? st.msr.sysenterEip : st.msr.sysenterEip & 0xffffffff;
  st.segments[kSs] = flatData(selector + 8, 0);
  cpu.setCode(flatCode(selector, 0, st.longMode()), 0);
  return Outcome::kEdge;
}

RHEA_EXEC(sysexit) {
  State& st = cpu.st;
  if (st.longMode() && cpu.model().vendor != "GenuineIntel") return cpu.undefined();
  if ((st.msr.sysenterCs & 0xfffc) == 0) return cpu.generalProtection();
  const bool to64 = st.mode64() && i.operandBytes() == 8;
  const std::uint64_t target = to64 ? st.gpr[kRdx] : st.gpr[kRdx] & 0xffffffff;
  const std::uint64_t stack = to64 ? st.gpr[kRcx] : st.gpr[kRcx] & 0xffffffff;
  if (to64 && (!cpu.canonical(target) || !cpu.canonical(stack))) return cpu.generalProtection();
  const std::uint64_t base = st.msr.sysenterCs & 0xfffc;
  st.gpr[kRsp] = stack;
  st.gpr[kRipRegister] = target;
  st.segments[kSs] = flatData((base + (to64 ? 40 : 24)) | 3, 3);
  cpu.setCode(flatCode((base + (to64 ? 32 : 16)) | 3, 3, to64), 3);
  return Outcome::kEdge;
}

}  // namespace rhea::x86
