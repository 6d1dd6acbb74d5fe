// Delivery of exceptions and interrupts through the IDT (Intel SDM 3A, 6).
#include "emu/base/log.h"
#include "target/x86/cpu.h"

namespace rhea::x86 {

namespace {

bool hasErrorCode(std::uint8_t vector) {
  return vector == kDoubleFault || (vector >= kInvalidTss && vector <= kPageFault) || vector == kAlignmentCheck;
}
bool contributory(std::uint8_t vector) {
  return vector == kDivideError || (vector >= kInvalidTss && vector <= kGeneralProtection);
}

// A stack that an interrupt builds: nothing is committed before all of it is written.
class Pusher {
 public:
  Pusher(Cpu& cpu, const Segment& stack, std::uint64_t sp, unsigned cpl)
      : cpu_(cpu), stack_(stack), sp_(sp), cpl_(cpl) {
    mask_ = cpu.st.longMode() && cpu.st.mode64() ? ~std::uint64_t{0} : stack.big() ? 0xffffffffU : 0xffffU;
  }
  bool push(std::uint64_t value, std::size_t size) {
    const std::uint64_t next = (sp_ & ~mask_) | ((sp_ - size) & mask_);
    const std::uint64_t offset = next & mask_;
    if (mask_ != ~std::uint64_t{0}) {
      const bool down = (stack_.type() & 4) != 0 && !stack_.code();
      const std::uint64_t end = offset + size - 1;
      if (down ? offset <= stack_.limit : end > stack_.limit) return cpu_.fail(kStackFault, error);
    }
    const std::uint64_t address = mask_ == ~std::uint64_t{0} ? offset : (stack_.base + offset) & 0xffffffff;
    // As the new privilege level writes.
    const std::uint8_t cpl = std::exchange(cpu_.st.cpl, static_cast<std::uint8_t>(cpl_));
    cpu_.selectTlb();
    const bool good = cpu_.storeBytes(address, &value, size, kSs);
    cpu_.st.cpl = cpl;
    cpu_.selectTlb();
    if (good) sp_ = next;
    return good;
  }
  std::uint64_t sp() const { return sp_; }
  std::uint32_t error = 0;

 private:
  Cpu& cpu_;
  const Segment& stack_;
  std::uint64_t sp_;
  unsigned cpl_;
  std::uint64_t mask_;
};

}  // namespace

void Cpu::tripleFault() {
  shutDown_ = true;
  if (environment_.log != nullptr) environment_.log->warning("vCPU {}: triple fault\n{}", index(), describe());
  shutdown("triple fault");
}

void Cpu::deliver(Fault fault, EventKind kind) {
  if (traced(cpu::TraceLog::kInterrupts)) [[unlikely]]
    traceDelivery(fault, kind);
  const std::uint64_t rsp = st.gpr[kRsp];
  if (deliverOnce(fault, kind)) return;
  st.gpr[kRsp] = rsp;
  // What went wrong on the way is in fault_.
  Fault second = fault_;
  if (kind == EventKind::kFault && fault.vector == kDoubleFault) return tripleFault();
  const bool first = kind == EventKind::kFault;
  const bool both =
      first && ((contributory(fault.vector) && contributory(second.vector)) ||
                (fault.vector == kPageFault && (contributory(second.vector) || second.vector == kPageFault)));
  if (both) second = {kDoubleFault, 0, 0, 0};
  deliver(second, EventKind::kFault);
}

bool Cpu::deliverOnce(const Fault& fault, EventKind kind) {
  if (fault.vector == kPageFault && kind == EventKind::kFault) st.cr2 = fault.address;
  if (fault.vector == kDebugException && kind != EventKind::kSoftware && kind != EventKind::kExternal) {
    st.dr[6] = (st.dr[6] & ~std::uint64_t{0xf}) | fault.dr6;
    st.dr[7] &= ~std::uint64_t{0x2000};
  }
  if (!st.protectedMode()) return deliverReal(fault, kind);
  return st.longMode() ? deliverLong(fault, kind) : deliverProtected(fault, kind);
}

bool Cpu::deliverReal(const Fault& fault, EventKind) {
  const std::uint64_t at = fault.vector * 4U;
  if (at + 3 > st.idtr.limit) return fail(kGeneralProtection);
  std::uint32_t entry = 0;
  if (!loadSystem(st.idtr.base + at, &entry, 4)) return false;
  if (!push(st.rflags() & 0xffff, 2) || !push(st.segments[kCs].selector, 2) || !push(st.gpr[kRipRegister] & 0xffff, 2))
    return false;
  st.system &= ~(kIf | kTf | kAc | kRf);
  loadRealSegment(kCs, static_cast<std::uint16_t>(entry >> 16));
  st.gpr[kRipRegister] = entry & 0xffff;
  updateMode();
  return true;
}

bool Cpu::deliverLong(const Fault& fault, EventKind kind) {
  const std::uint32_t ext = kind == EventKind::kSoftware ? 0 : 1;
  const std::uint32_t idtError = fault.vector * 8U + 2 + ext;
  const std::uint64_t at = fault.vector * 16U;
  std::array<std::uint64_t, 2> gate{};
  if (at + 15 > st.idtr.limit) return fail(kGeneralProtection, idtError);
  if (!loadSystem(st.idtr.base + at, gate.data(), 16)) return false;
  const unsigned type = static_cast<unsigned>(gate[0] >> 40) & 0x1f;
  if (type != 0xe && type != 0xf) return fail(kGeneralProtection, idtError);
  if (kind == EventKind::kSoftware && (gate[0] >> 45 & 3) < st.cpl) return fail(kGeneralProtection, idtError);
  if ((gate[0] >> 47 & 1) == 0) return fail(kSegmentNotPresent, idtError);
  const auto selector = static_cast<std::uint16_t>(gate[0] >> 16);
  const std::uint64_t target = (gate[0] & 0xffff) | (gate[0] >> 32 & 0xffff0000) | (gate[1] << 32);
  const unsigned ist = static_cast<unsigned>(gate[0] >> 32) & 7;
  if ((selector & 0xfffc) == 0) return fail(kGeneralProtection, ext);
  Descriptor code;
  bool found;
  if (!peekDescriptor(selector, code, found, false)) return false;
  const std::uint32_t codeError = (selector & 0xfffcU) | ext;
  if (!found || code.system() || !code.code() || code.dpl() > st.cpl) return fail(kGeneralProtection, codeError);
  if (!code.longMode() || code.big()) return fail(kGeneralProtection, codeError);
  if (!code.present()) return fail(kSegmentNotPresent, codeError);
  const unsigned cpl = code.conforming() ? st.cpl : code.dpl();
  std::uint64_t sp = st.gpr[kRsp];
  std::uint16_t ss = st.segments[kSs].selector;
  bool newStack = false;
  if (ist != 0) {
    const std::uint64_t place = 0x1c + ist * 8;
    if (place + 7 > st.tr.limit) return fail(kInvalidTss, (st.tr.selector & 0xfffcU) | ext);
    if (!loadSystem(st.tr.base + place, &sp, 8)) return false;
    newStack = true;
  } else if (cpl < st.cpl) {
    if (!stackFromTss(cpl, ss, sp, kInvalidTss)) return false;
    newStack = true;
  }
  if (newStack && !canonical(sp)) return fail(kStackFault, ext);
  if (!canonical(target)) return fail(kGeneralProtection, ext);
  sp &= ~std::uint64_t{15};
  const std::uint64_t flags = st.rflags() | (kind == EventKind::kFault && fault.vector != kDebugException ? kRf : 0);
  // The stack is written flat and with eight bytes each, even where a 32-bit program is interrupted.
  const std::array<std::uint64_t, 6> frame{fault.error, st.gpr[kRipRegister], st.segments[kCs].selector,
                                           flags,       st.gpr[kRsp],         st.segments[kSs].selector};
  const bool error = hasErrorCode(fault.vector) && (kind == EventKind::kFault);
  const std::size_t skip = error ? 0 : 1;
  const std::size_t bytes = (frame.size() - skip) * 8;
  // Rings 0 to 2 write as the supervisor, and where even the tables' accesses may write, nothing is looked up.
  auto* const from = const_cast<std::uint64_t*>(frame.data() + skip);
  if (cpl == 3 ? !access(sp - bytes, from, bytes, AccessKind::kWrite, Who::kUser)
               : !accessSystem(sp - bytes, from, bytes, AccessKind::kWrite, Who::kSupervisor))
    return false;
  if (!markAccessed(code)) return false;
  st.gpr[kRsp] = sp - bytes;
  if (cpl < st.cpl) {
    st.segments[kSs] = {};
    st.segments[kSs].selector = static_cast<std::uint16_t>(cpl);
    st.segments[kSs].attributes = static_cast<std::uint16_t>(0x4010 | (cpl << 5));
  }
  st.system &= ~(kTf | kNt | kRf | kVm);
  if (type == 0xe) st.system &= ~kIf;
  st.gpr[kRipRegister] = target;
  setCode(code.segment(selector), cpl);
  return true;
}

bool Cpu::deliverProtected(const Fault& fault, EventKind kind) {
  const std::uint32_t ext = kind == EventKind::kSoftware ? 0 : 1;
  const std::uint32_t idtError = fault.vector * 8U + 2 + ext;
  const std::uint64_t at = fault.vector * 8U;
  std::uint64_t gate = 0;
  if (at + 7 > st.idtr.limit) return fail(kGeneralProtection, idtError);
  if (!loadSystem(st.idtr.base + at, &gate, 8)) return false;
  const unsigned type = static_cast<unsigned>(gate >> 40) & 0x1f;
  if (type != 5 && type != 6 && type != 7 && type != 0xe && type != 0xf) return fail(kGeneralProtection, idtError);
  if (kind == EventKind::kSoftware && (gate >> 45 & 3) < st.cpl) return fail(kGeneralProtection, idtError);
  if ((gate >> 47 & 1) == 0) return fail(kSegmentNotPresent, idtError);
  const auto selector = static_cast<std::uint16_t>(gate >> 16);
  const bool error = hasErrorCode(fault.vector) && kind == EventKind::kFault;
  if (type == 5) {
    return switchTask(selector, SwitchBy::kInterrupt, st.gpr[kRipRegister], error ? &fault.error : nullptr);
  }
  const std::size_t size = (type & 8) != 0 ? 4 : 2;
  const std::uint64_t target = size == 4 ? (gate & 0xffff) | (gate >> 32 & 0xffff0000) : gate & 0xffff;
  if ((selector & 0xfffc) == 0) return fail(kGeneralProtection, ext);
  Descriptor code;
  bool found;
  if (!peekDescriptor(selector, code, found, false)) return false;
  const std::uint32_t codeError = (selector & 0xfffcU) | ext;
  if (!found || code.system() || !code.code() || code.dpl() > st.cpl) return fail(kGeneralProtection, codeError);
  if (!code.present()) return fail(kSegmentNotPresent, codeError);
  const unsigned cpl = code.conforming() ? st.cpl : code.dpl();
  const bool fromV86 = st.v86();
  if (fromV86 && cpl != 0) return fail(kGeneralProtection, codeError);
  const std::uint64_t flags = st.rflags() | (kind == EventKind::kFault && fault.vector != kDebugException ? kRf : 0);
  Segment stack = st.segments[kSs];
  std::uint64_t sp = st.gpr[kRsp];
  if (cpl < st.cpl) {
    std::uint16_t ss = 0;
    if (!stackFromTss(cpl, ss, sp, kInvalidTss)) return false;
    const std::uint32_t ssError = (ss & 0xfffcU) | ext;
    Descriptor d;
    if ((ss & 0xfffc) == 0) return fail(kInvalidTss, ext);
    if (!peekDescriptor(ss, d, found, false)) return false;
    if (!found || (ss & 3U) != cpl || d.dpl() != cpl || d.system() || d.code() || (d.type() & 2) == 0)
      return fail(kInvalidTss, ssError);
    if (!d.present()) return fail(kStackFault, ssError);
    if (!markAccessed(d)) return false;
    stack = d.segment(ss);
  }
  Pusher to(*this, stack, sp, cpl);
  to.error = cpl < st.cpl ? (stack.selector & 0xfffcU) | ext : ext;
  if (fromV86) {
    for (const SegmentIndex s : {kGs, kFs, kDs, kEs}) {
      if (!to.push(st.segments[s].selector, size)) return false;
    }
  }
  if (cpl < st.cpl && (!to.push(st.segments[kSs].selector, size) || !to.push(st.gpr[kRsp], size))) return false;
  if (!to.push(flags, size) || !to.push(st.segments[kCs].selector, size) || !to.push(st.gpr[kRipRegister], size))
    return false;
  if (error && !to.push(fault.error, size)) return false;
  const Segment codeSegment = code.segment(selector);
  if (target > codeSegment.limit) return fail(kGeneralProtection, ext);
  if (!markAccessed(code)) return false;
  if (fromV86) {
    for (const SegmentIndex s : {kGs, kFs, kDs, kEs}) st.segments[s] = {};
  }
  st.segments[kSs] = stack;
  if (stack.big())
    st.gpr[kRsp] = to.sp() & 0xffffffff;
  else
    st.gpr[kRsp] = (st.gpr[kRsp] & ~std::uint64_t{0xffff}) | (to.sp() & 0xffff);
  st.system &= ~(kTf | kNt | kRf | kVm);
  if ((type & 1) == 0) st.system &= ~kIf;
  st.gpr[kRipRegister] = target;
  setCode(codeSegment, cpl);
  return true;
}

// int n, int3, into, int1: rip behind the instruction is what is saved; a fault on the way finds it before.
bool Cpu::softwareInterrupt(const Insn& i, std::uint8_t vector, EventKind kind) {
  const std::uint64_t start = st.gpr[kRipRegister];
  const std::uint64_t rsp = st.gpr[kRsp];
  if (kind == EventKind::kSoftware && st.v86()) {
    // With VME the redirection map of the TSS may send it through the virtual-8086 program's own table.
    if ((st.cr4 & kCr4Vme) != 0) {
      std::uint16_t map = 0;
      std::uint8_t byte = 0;
      if (!loadSystem(st.tr.base + 0x66, &map, 2) || !loadSystem(st.tr.base + map - 32U + vector / 8U, &byte, 1))
        return false;
      if ((byte >> (vector & 7) & 1) == 0) {
        std::uint32_t entry = 0;
        std::uint64_t image = st.rflags() & 0xffff;
        if (st.iopl() < 3) image = (image & ~kIf) | kIopl | ((st.system & kVif) != 0 ? kIf : 0);
        if (!load(vector * 4U, entry) || !push(image, 2) || !push(st.segments[kCs].selector, 2) ||
            !push(nextRip(i), 2)) {
          st.gpr[kRsp] = rsp;
          return false;
        }
        st.system &= ~(kTf | kNt | (st.iopl() < 3 ? kVif : kIf));
        loadRealSegment(kCs, static_cast<std::uint16_t>(entry >> 16));
        st.gpr[kRipRegister] = entry & 0xffff;
        updateMode();
        return true;
      }
    }
    if (st.iopl() < 3) return fail(kGeneralProtection);
  }
  st.gpr[kRipRegister] = nextRip(i);
  // The gate has cleared TF, and with it the trap that would come behind this instruction.
  if (deliverOnce({vector, 0, 0, 0}, kind)) {
    stepDecided_ = true;
    return true;
  }
  st.gpr[kRipRegister] = start;
  st.gpr[kRsp] = rsp;
  return false;
}

}  // namespace rhea::x86
