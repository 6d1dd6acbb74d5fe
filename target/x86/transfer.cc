// Far jumps, calls and returns, call gates, iret (Intel SDM 2, JMP, CALL, RET, IRET; 3A, 5.8).
#include "target/x86/cpu.h"

namespace rhea::x86 {

namespace {

// Offsets in a gate of the two kinds.
std::uint64_t gateTarget(const Cpu::Descriptor& gate, bool isLong) {
  const std::uint64_t low = gate.low & 0xffff;
  if (gate.type() == 4) return low;
  const std::uint64_t high = gate.low >> 32 & 0xffff0000;
  return low | high | (isLong ? gate.high << 32 : 0);
}

// A code segment that is jumped to or called by itself, at the present level.
bool checkDirectCode(Cpu& cpu, std::uint16_t selector, const Cpu::Descriptor& d, std::uint64_t offset) {
  const State& st = cpu.st;
  const std::uint32_t error = selector & 0xfffcU;
  if (!d.code()) return cpu.fail(kGeneralProtection, error);
  if (st.longMode() && d.longMode() && d.big()) return cpu.fail(kGeneralProtection, error);
  const bool allowed = d.conforming() ? d.dpl() <= st.cpl : (selector & 3U) <= st.cpl && d.dpl() == st.cpl;
  if (!allowed) return cpu.fail(kGeneralProtection, error);
  if (!d.present()) return cpu.fail(kSegmentNotPresent, error);
  const bool to64 = st.longMode() && d.longMode();
  const bool inside = to64 ? cpu.canonical(offset) : offset <= d.segment(selector).limit;
  return inside || cpu.fail(kGeneralProtection);
}

}  // namespace

bool Cpu::farJump(const Insn& i, std::uint16_t selector, std::uint64_t offset) {
  if (i.operandBytes() == 2) offset &= 0xffff;
  if (!st.protectedMode() || st.v86()) {
    if (offset > st.segments[kCs].limit) return fail(kGeneralProtection);
    loadRealSegment(kCs, selector);
    st.gpr[kRipRegister] = offset;
    updateMode();
    return true;
  }
  if ((selector & 0xfffc) == 0) return fail(kGeneralProtection);
  Descriptor d;
  if (!readDescriptor(selector, d)) return false;
  const std::uint32_t error = selector & 0xfffcU;
  const unsigned rpl = selector & 3;
  if (!d.system()) {
    if (!checkDirectCode(*this, selector, d, offset)) return false;
    if (!markAccessed(d)) return false;
    st.gpr[kRipRegister] = offset;
    setCode(d.segment(selector), st.cpl);
    return true;
  }
  const unsigned type = d.type();
  if (type == 4 || type == 0xc) {  // call gate
    if (st.longMode() && type == 4) return fail(kGeneralProtection, error);
    if (d.dpl() < st.cpl || d.dpl() < rpl) return fail(kGeneralProtection, error);
    if (!d.present()) return fail(kSegmentNotPresent, error);
    if (st.longMode() && !readDescriptor(selector, d, kGeneralProtection, true)) return false;
    const auto codeSelector = static_cast<std::uint16_t>(d.low >> 16);
    const std::uint64_t target = gateTarget(d, st.longMode());
    if ((codeSelector & 0xfffc) == 0) return fail(kGeneralProtection);
    Descriptor code;
    if (!readDescriptor(codeSelector, code)) return false;
    const std::uint32_t codeError = codeSelector & 0xfffcU;
    if (code.system() || !code.code()) return fail(kGeneralProtection, codeError);
    if (code.conforming() ? code.dpl() > st.cpl : code.dpl() != st.cpl) return fail(kGeneralProtection, codeError);
    if (st.longMode() && (!code.longMode() || code.big())) return fail(kGeneralProtection, codeError);
    if (!code.present()) return fail(kSegmentNotPresent, codeError);
    const Segment segment = code.segment(codeSelector);
    if (st.longMode() ? !canonical(target) : target > segment.limit) return fail(kGeneralProtection);
    if (!markAccessed(code)) return false;
    st.gpr[kRipRegister] = target;
    setCode(segment, st.cpl);
    return true;
  }
  if (st.longMode()) return fail(kGeneralProtection, error);
  if (type == 5 || type == 1 || type == 9) {
    if (d.dpl() < st.cpl || d.dpl() < rpl) return fail(kGeneralProtection, error);
    if (!d.present()) return fail(kSegmentNotPresent, error);
    return switchTask(type == 5 ? static_cast<std::uint16_t>(d.low >> 16) : selector, SwitchBy::kJump, nextRip(i));
  }
  return fail(kGeneralProtection, error);
}

bool Cpu::farCall(const Insn& i, std::uint16_t selector, std::uint64_t offset) {
  const std::size_t size = i.operandBytes();
  if (size == 2) offset &= 0xffff;
  const std::uint64_t rsp = st.gpr[kRsp];
  const std::uint64_t back = nextRip(i);
  const std::uint16_t backSelector = st.segments[kCs].selector;
  const auto undo = [&] {
    st.gpr[kRsp] = rsp;
    return false;
  };
  if (!st.protectedMode() || st.v86()) {
    if (offset > st.segments[kCs].limit) return fail(kGeneralProtection);
    if (!push(backSelector, size) || !push(back, size)) return undo();
    loadRealSegment(kCs, selector);
    st.gpr[kRipRegister] = offset;
    updateMode();
    return true;
  }
  if ((selector & 0xfffc) == 0) return fail(kGeneralProtection);
  Descriptor d;
  if (!readDescriptor(selector, d)) return false;
  const std::uint32_t error = selector & 0xfffcU;
  const unsigned rpl = selector & 3;
  if (!d.system()) {
    if (!checkDirectCode(*this, selector, d, offset)) return false;
    if (!push(backSelector, size) || !push(back, size) || !markAccessed(d)) return undo();
    st.gpr[kRipRegister] = offset;
    setCode(d.segment(selector), st.cpl);
    return true;
  }
  const unsigned type = d.type();
  if (type == 5 || type == 1 || type == 9) {
    if (st.longMode()) return fail(kGeneralProtection, error);
    if (d.dpl() < st.cpl || d.dpl() < rpl) return fail(kGeneralProtection, error);
    if (!d.present()) return fail(kSegmentNotPresent, error);
    return switchTask(type == 5 ? static_cast<std::uint16_t>(d.low >> 16) : selector, SwitchBy::kCall, back);
  }
  if ((type != 4 || st.longMode()) && type != 0xc) return fail(kGeneralProtection, error);
  if (d.dpl() < st.cpl || d.dpl() < rpl) return fail(kGeneralProtection, error);
  if (!d.present()) return fail(kSegmentNotPresent, error);
  if (st.longMode() && !readDescriptor(selector, d, kGeneralProtection, true)) return false;
  const std::size_t gateSize = st.longMode() ? 8 : type == 0xc ? 4 : 2;
  const unsigned parameters = st.longMode() ? 0 : static_cast<unsigned>(d.low >> 32) & 31;
  const auto codeSelector = static_cast<std::uint16_t>(d.low >> 16);
  const std::uint64_t target = gateTarget(d, st.longMode());
  if ((codeSelector & 0xfffc) == 0) return fail(kGeneralProtection);
  Descriptor code;
  if (!readDescriptor(codeSelector, code)) return false;
  const std::uint32_t codeError = codeSelector & 0xfffcU;
  if (code.system() || !code.code() || code.dpl() > st.cpl) return fail(kGeneralProtection, codeError);
  if (st.longMode() && (!code.longMode() || code.big())) return fail(kGeneralProtection, codeError);
  if (!code.present()) return fail(kSegmentNotPresent, codeError);
  const Segment segment = code.segment(codeSelector);
  if (st.longMode() ? !canonical(target) : target > segment.limit) return fail(kGeneralProtection);
  if (code.conforming() || code.dpl() == st.cpl) {
    if (!push(backSelector, gateSize) || !push(back, gateSize) || !markAccessed(code)) return undo();
    st.gpr[kRipRegister] = target;
    setCode(segment, st.cpl);
    return true;
  }
  // To an inner level: its stack from the TSS, the old one and the parameters copied there.
  const unsigned cpl = code.dpl();
  std::uint16_t ss = 0;
  std::uint64_t sp = 0;
  if (!stackFromTss(cpl, ss, sp, kInvalidTss)) return false;
  Segment stack;
  if (st.longMode()) {
    stack.selector = static_cast<std::uint16_t>(cpl);
    stack.attributes = static_cast<std::uint16_t>(0x4010 | (cpl << 5));
  } else {
    Descriptor s;
    if ((ss & 0xfffc) == 0) return fail(kInvalidTss, 0);
    if (!readDescriptor(ss, s, kInvalidTss)) return false;
    if ((ss & 3U) != cpl || s.dpl() != cpl || s.system() || s.code() || (s.type() & 2) == 0)
      return fail(kInvalidTss, ss & 0xfffcU);
    if (!s.present()) return fail(kStackFault, ss & 0xfffcU);
    if (!markAccessed(s)) return false;
    stack = s.segment(ss);
  }
  std::array<std::uint64_t, 32> copied{};
  const std::uint64_t oldMask = stackMask();
  for (unsigned n = 0; n < parameters; ++n) {
    std::uint64_t address;
    if (!segmented(kSs, (rsp + n * gateSize) & oldMask, gateSize, AccessKind::kRead, address) ||
        !loadBytes(address, &copied[n], gateSize, kSs)) {
      return false;
    }
  }
  const Segment oldStack = st.segments[kSs];
  const Segment oldCode = st.segments[kCs];
  const unsigned oldCpl = st.cpl;
  st.segments[kSs] = stack;
  st.gpr[kRsp] = sp;
  setCode(segment, cpl);
  bool good = push(oldStack.selector, gateSize) && push(rsp, gateSize);
  for (unsigned n = parameters; good && n-- > 0;) good = push(copied[n], gateSize);
  good = good && push(backSelector, gateSize) && push(back, gateSize) && markAccessed(code);
  if (!good) {
    st.segments[kSs] = oldStack;
    st.gpr[kRsp] = rsp;
    st.segments[kCs] = oldCode;
    st.cpl = static_cast<std::uint8_t>(oldCpl);
    updateMode();
    return false;
  }
  st.gpr[kRipRegister] = target;
  return true;
}

namespace {

// What a return to an outer level may not keep: data segments that are too privileged for it.
void dropSegments(State& st, unsigned cpl) {
  for (const SegmentIndex index : {kEs, kDs, kFs, kGs}) {
    Segment& s = st.segments[index];
    const bool conforming = s.code() && (s.type() & 4) != 0;
    if (s.present() && !conforming && s.dpl() < cpl) {
      const std::uint64_t base = s.base;
      s = {};
      if (st.longMode() && index >= kFs) s.base = base;
    }
  }
}

// A return's code segment: an outer or the same level, and a target within it. false: the fault is recorded.
bool checkReturnCode(Cpu& cpu, std::uint16_t selector, std::uint64_t target, Cpu::Descriptor& code) {
  const State& st = cpu.st;
  const std::uint32_t error = selector & 0xfffcU;
  const unsigned rpl = selector & 3;
  if (error == 0) return cpu.fail(kGeneralProtection);
  if (!cpu.readDescriptor(selector, code)) return false;
  if (code.system() || !code.code() || rpl < st.cpl) return cpu.fail(kGeneralProtection, error);
  if (code.conforming() ? code.dpl() > rpl : code.dpl() != rpl) return cpu.fail(kGeneralProtection, error);
  if (st.longMode() && code.longMode() && code.big()) return cpu.fail(kGeneralProtection, error);
  if (!code.present()) return cpu.fail(kSegmentNotPresent, error);
  const bool to64 = st.longMode() && code.longMode();
  const bool inside = to64 ? cpu.canonical(target) : target <= code.segment(selector).limit;
  return inside || cpu.fail(kGeneralProtection);
}

// The stack that a return to level `rpl` pops; a null one where 64-bit code inside level 3 is returned to.
// `s` is its descriptor then.
bool checkReturnStack(Cpu& cpu, std::uint16_t selector, unsigned rpl, bool to64, Segment& stack, Cpu::Descriptor& s) {
  const std::uint32_t error = selector & 0xfffcU;
  if (error == 0) {
    if (!to64 || rpl == 3) return cpu.fail(kGeneralProtection);
    stack.selector = selector;
    stack.attributes = static_cast<std::uint16_t>(0x4010 | (rpl << 5));
    return true;
  }
  if (!cpu.readDescriptor(selector, s)) return false;
  if ((selector & 3U) != rpl || s.dpl() != rpl || s.system() || s.code() || (s.type() & 2) == 0)
    return cpu.fail(kGeneralProtection, error);
  if (!s.present()) return cpu.fail(kStackFault, error);
  if (!cpu.markAccessed(s)) return false;
  stack = s.segment(selector);
  return true;
}

// For translated code, which does the next one like this itself (own-kernel.cc).
void noteReturn(t1::Area::Return& to, const Cpu::Descriptor& code, const Segment& codeSegment,
                const Cpu::Descriptor& stack, const Segment& stackSegment) {
  const auto note = [](t1::Area::Return::Half& half, const Cpu::Descriptor& descriptor, const Segment& segment) {
    half.selector = segment.selector;
    half.descriptor = descriptor.low;
    static_assert(sizeof(Segment) == sizeof(half.segment));
    std::memcpy(half.segment.data(), &segment, sizeof(Segment));
  };
  note(to.code, code, codeSegment);
  note(to.stack, stack, stackSegment);
}

}  // namespace

// Pops offset, selector and, to an outer level, the stack. `extra`: bytes of parameters to drop.
bool Cpu::farReturn(const Insn& i, std::uint32_t extra) {
  const std::size_t size = i.operandBytes();
  const std::uint64_t rsp = st.gpr[kRsp];
  const auto undo = [&] {
    st.gpr[kRsp] = rsp;
    return false;
  };
  std::uint64_t target;
  std::uint64_t selector;
  if (!pop(target, size) || !pop(selector, size)) return undo();
  selector &= 0xffff;
  if (!st.protectedMode() || st.v86()) {
    if (target > st.segments[kCs].limit) {
      fail(kGeneralProtection);
      return undo();
    }
    setStackPointer(st.gpr[kRsp] + extra);
    loadRealSegment(kCs, static_cast<std::uint16_t>(selector));
    st.gpr[kRipRegister] = target;
    updateMode();
    return true;
  }
  const unsigned rpl = selector & 3;
  Descriptor code;
  if (!checkReturnCode(*this, static_cast<std::uint16_t>(selector), target, code)) return undo();
  const Segment segment = code.segment(static_cast<std::uint16_t>(selector));
  const bool to64 = st.longMode() && code.longMode();
  if (rpl == st.cpl) {
    if (!markAccessed(code)) return undo();
    setStackPointer(st.gpr[kRsp] + extra);
    st.gpr[kRipRegister] = target;
    setCode(segment, rpl);
    return true;
  }
  setStackPointer(st.gpr[kRsp] + extra);
  std::uint64_t sp;
  std::uint64_t ss;
  if (!pop(sp, size) || !pop(ss, size)) return undo();
  Segment stack;
  Descriptor s;
  if (!checkReturnStack(*this, static_cast<std::uint16_t>(ss), rpl, to64, stack, s) || !markAccessed(code))
    return undo();
  st.segments[kSs] = stack;
  st.gpr[kRipRegister] = target;
  dropSegments(st, rpl);
  setCode(segment, rpl);
  const std::uint64_t mask = stackMask();
  if (mask == 0xffff)
    st.gpr[kRsp] = (size == 2 ? rsp & ~mask : sp & ~mask) | ((sp + extra) & mask);
  else
    st.gpr[kRsp] = (sp + extra) & mask;
  return true;
}

bool Cpu::interruptReturn(const Insn& i) {
  const std::size_t size = i.operandBytes();
  const std::uint64_t rsp = st.gpr[kRsp];
  const auto undo = [&] {
    st.gpr[kRsp] = rsp;
    return false;
  };
  const auto refuse = [&] {
    fail(kGeneralProtection);
    return undo();
  };
  const std::uint64_t low = size == 2 ? 0xffff : 0xffffffff;
  std::uint64_t target;
  std::uint64_t selector;
  std::uint64_t flags;
  if (!st.protectedMode() || st.v86()) {
    if (st.v86() && st.iopl() < 3) {
      if ((st.cr4 & kCr4Vme) == 0 || size != 2) return fail(kGeneralProtection);
    }
    if (!pop(target, size) || !pop(selector, size) || !pop(flags, size)) return undo();
    if (target > st.segments[kCs].limit) return refuse();
    std::uint64_t mask = kArithmeticFlags | kTf | kIf | kDf | kIopl | kNt | kRf | kAc | kId;
    if (st.v86()) {
      mask &= ~kIopl;
      if (st.iopl() < 3) {
        if ((flags & kTf) != 0 || ((flags & kIf) != 0 && (st.system & kVip) != 0)) return refuse();
        st.system = (st.system & ~kVif) | ((flags & kIf) != 0 ? kVif : 0);
        mask &= ~kIf;
      }
    }
    loadRealSegment(kCs, static_cast<std::uint16_t>(selector));
    st.gpr[kRipRegister] = target;
    setRflags(flags, mask & low);
    nmiBlocked_ = false;
    updateMode();
    return true;
  }
  if ((st.system & kNt) != 0) {
    if (st.longMode()) return fail(kGeneralProtection);
    std::uint16_t link = 0;
    if (!loadSystem(st.tr.base, &link, 2)) return false;
    nmiBlocked_ = false;
    return switchTask(link, SwitchBy::kReturn, nextRip(i));
  }
  if (!pop(target, size) || !pop(selector, size) || !pop(flags, size)) return undo();
  selector &= 0xffff;
  if (size == 4 && (flags & kVm) != 0 && st.cpl == 0 && !st.longMode()) {
    std::array<std::uint64_t, 6> more{};  // esp, ss, es, ds, fs, gs
    for (std::uint64_t& value : more) {
      if (!pop(value, 4)) return undo();
    }
    st.cpl = 3;
    setRflags(flags, kArithmeticFlags | kTf | kIf | kDf | kIopl | kNt | kRf | kVm | kAc | kVif | kVip | kId);
    st.segments[kCs] = {};
    loadRealSegment(kCs, static_cast<std::uint16_t>(selector));
    constexpr SegmentIndex kOrder[] = {kSs, kEs, kDs, kFs, kGs};
    for (unsigned n = 0; n < 5; ++n) loadRealSegment(kOrder[n], static_cast<std::uint16_t>(more[n + 1]));
    st.gpr[kRsp] = more[0];
    st.gpr[kRipRegister] = target & 0xffff;
    nmiBlocked_ = false;
    updateMode();
    return true;
  }
  const unsigned rpl = selector & 3;
  Descriptor code;
  if (!checkReturnCode(*this, static_cast<std::uint16_t>(selector), target, code)) return undo();
  const Segment segment = code.segment(static_cast<std::uint16_t>(selector));
  const bool to64 = st.longMode() && code.longMode();
  std::uint64_t mask = kArithmeticFlags | kTf | kDf | kNt | kRf | kAc | kId;
  if (st.cpl <= st.iopl()) mask |= kIf;
  if (st.cpl == 0) mask |= kIopl | kVif | kVip;
  if (size == 2) mask &= 0xffff;
  // A 64-bit iret always pops the stack.
  if (rpl == st.cpl && !st.mode64()) {
    if (!markAccessed(code)) return undo();
    st.gpr[kRipRegister] = target;
    setRflags(flags, mask);
    nmiBlocked_ = false;
    setCode(segment, rpl);
    return true;
  }
  std::uint64_t sp;
  std::uint64_t ss;
  if (!pop(sp, size) || !pop(ss, size)) return undo();
  Segment stack;
  Descriptor s;
  if (!checkReturnStack(*this, static_cast<std::uint16_t>(ss), rpl, to64, stack, s) || !markAccessed(code))
    return undo();
  if (st.mode64() && to64 && st.cpl == 0 && (rpl == 0 || rpl == 3) && ((selector | ss) & 4) == 0 && (ss & 0xfffc) != 0)
    noteReturn(area.returns[rpl == 3 ? 0 : 1], code, segment, s, stack);
  const bool outward = rpl != st.cpl;
  st.segments[kSs] = stack;
  st.gpr[kRipRegister] = target;
  setRflags(flags, mask);
  nmiBlocked_ = false;
  if (outward) dropSegments(st, rpl);
  setCode(segment, rpl);
  const std::uint64_t stackBits = stackMask();
  if (stackBits == 0xffff && size == 2)
    st.gpr[kRsp] = (rsp & ~stackBits) | (sp & stackBits);
  else if (stackBits == 0xffff)
    st.gpr[kRsp] = sp & 0xffffffff;
  else
    st.gpr[kRsp] = sp & stackBits;
  return true;
}

}  // namespace rhea::x86
