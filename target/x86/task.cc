// Task switches through a TSS or a task gate (Intel SDM 3A, 7.3).
#include "target/x86/cpu.h"

namespace rhea::x86 {

namespace {

// Places in the two kinds of TSS.
struct Layout {
  unsigned width;  // of registers and of the instruction pointer
  unsigned cr3, ip, flags, registers, segments, ldt, size;
  unsigned segmentCount;
};
constexpr Layout kTss16{2, 0, 0x0e, 0x10, 0x12, 0x22, 0x2a, 0x2b, 4};
constexpr Layout kTss32{4, 0x1c, 0x20, 0x24, 0x28, 0x48, 0x60, 0x67, 6};

constexpr SegmentIndex kOrder[] = {kEs, kCs, kSs, kDs, kFs, kGs};

}  // namespace

bool Cpu::switchTask(std::uint16_t selector, SwitchBy how, std::uint64_t returnRip, const std::uint32_t* errorCode) {
  const std::uint32_t error = selector & 0xfffcU;
  const Exception wrong = how == SwitchBy::kReturn ? kInvalidTss : kGeneralProtection;
  if ((selector & 4) != 0 || error == 0) return fail(wrong, error);
  Descriptor d;
  if (!readDescriptor(selector, d, wrong)) return false;
  const unsigned type = d.type();
  const bool busy = (type & 2) != 0;
  if (!d.system() || (type & 5) != 1) return fail(wrong, error);
  if (busy != (how == SwitchBy::kReturn)) return fail(wrong, error);
  if (!d.present()) return fail(kSegmentNotPresent, error);
  const Segment next = d.segment(selector);
  const Layout& to = (type & 8) != 0 ? kTss32 : kTss16;
  if (next.limit < to.size) return fail(kInvalidTss, error);
  const Layout& from = (st.tr.type() & 8) != 0 ? kTss32 : kTss16;

  // The new task's image, and room for the old one's, before anything changes.
  std::array<std::uint8_t, 0x68> image{};
  if (!loadSystem(next.base, image.data(), to.size + 1)) return false;
  const auto number = [&](unsigned at, unsigned width) {
    std::uint32_t value = 0;
    std::memcpy(&value, image.data() + at, width);
    return value;
  };

  std::uint64_t flags = st.rflags();
  if (how == SwitchBy::kReturn) flags &= ~kNt;
  std::array<std::uint8_t, 0x68> old{};
  const auto put = [&](unsigned at, std::uint64_t value, unsigned width) {
    std::memcpy(old.data() + at, &value, width);
  };
  put(from.ip, returnRip, from.width);
  put(from.flags, flags, from.width);
  for (unsigned n = 0; n < 8; ++n) put(from.registers + n * from.width, st.gpr[n], from.width);
  for (unsigned n = 0; n < from.segmentCount; ++n)
    put(from.segments + n * from.width, st.segments[kOrder[n]].selector, 2);
  const unsigned end = from.segments + from.segmentCount * from.width;
  if (!storeSystem(st.tr.base + from.ip, old.data() + from.ip, end - from.ip)) return false;

  const auto setBusy = [&](std::uint64_t descriptorAddress, bool value) {
    std::uint8_t byte = 0;
    if (!loadSystem(descriptorAddress + 5, &byte, 1)) return false;
    byte = static_cast<std::uint8_t>(value ? byte | 2 : byte & ~2);
    return storeSystem(descriptorAddress + 5, &byte, 1);
  };
  if ((how == SwitchBy::kJump || how == SwitchBy::kReturn) &&
      !setBusy(st.gdtr.base + (st.tr.selector & 0xfff8U), false))
    return false;
  if (how != SwitchBy::kReturn && !setBusy(d.address, true)) return false;
  const bool nested = how == SwitchBy::kCall || how == SwitchBy::kInterrupt;
  if (nested) {
    const std::uint16_t link = st.tr.selector;
    if (!storeSystem(next.base, &link, 2)) return false;
  }

  // From here on faults belong to the new task.
  st.tr = next;
  st.tr.attributes |= 2;
  st.cr0 |= kCr0Ts;
  std::uint64_t newFlags = number(to.flags, to.width);
  if (nested) newFlags |= kNt;
  setRflags(newFlags, kArithmeticFlags | kTf | kIf | kDf | kIopl | kNt |
                          (to.width == 4 ? kRf | kVm | kAc | kVif | kVip | kId : 0));
  st.gpr[kRipRegister] = number(to.ip, to.width);
  for (unsigned n = 0; n < 8; ++n) {
    const std::uint32_t value = number(to.registers + n * to.width, to.width);
    st.gpr[n] = to.width == 2 ? (st.gpr[n] & 0xffff0000) | value : value;
  }
  if (to.cr3 != 0 && (st.cr0 & kCr0Pg) != 0) {
    const std::uint32_t cr3 = number(to.cr3, 4);
    if (cr3 != st.cr3) {
      if ((st.cr4 & kCr4Pae) != 0 && !loadPdptes(cr3)) return false;
      st.cr3 = cr3;
    }
    flushTlb(false);
  }
  st.dr[7] &= ~std::uint64_t{0x155};
  std::array<std::uint16_t, 6> selectors{};
  for (unsigned n = 0; n < to.segmentCount; ++n)
    selectors[n] = static_cast<std::uint16_t>(number(to.segments + n * to.width, 2));
  // Selectors first: a fault below shows them.
  for (unsigned n = 0; n < 6; ++n) {
    st.segments[kOrder[n]] = {};
    st.segments[kOrder[n]].selector = selectors[n];
  }
  const auto ldt = static_cast<std::uint16_t>(number(to.ldt, 2));
  st.ldtr = {};
  st.ldtr.selector = ldt;
  if ((ldt & 0xfffc) != 0) {
    Descriptor l;
    if ((ldt & 4) != 0) return fail(kInvalidTss, ldt & 0xfffcU);
    if (!readDescriptor(ldt, l, kInvalidTss)) return false;
    if (!l.system() || l.type() != 2 || !l.present()) return fail(kInvalidTss, ldt & 0xfffcU);
    st.ldtr = l.segment(ldt);
  }
  if (st.v86()) {
    st.cpl = 3;
    for (unsigned n = 0; n < 6; ++n) loadRealSegment(kOrder[n], selectors[n]);
    updateMode();
  } else {
    const std::uint16_t cs = selectors[1];
    const unsigned cpl = cs & 3;
    const std::uint32_t csError = cs & 0xfffcU;
    Descriptor code;
    if (csError == 0) return fail(kInvalidTss, 0);
    if (!readDescriptor(cs, code, kInvalidTss)) return false;
    if (code.system() || !code.code()) return fail(kInvalidTss, csError);
    if (code.conforming() ? code.dpl() > cpl : code.dpl() != cpl) return fail(kInvalidTss, csError);
    if (!code.present()) return fail(kSegmentNotPresent, csError);
    if (!markAccessed(code)) return false;
    setCode(code.segment(cs), cpl);
    const std::uint16_t ss = selectors[2];
    Descriptor stack;
    if ((ss & 0xfffc) == 0) return fail(kInvalidTss, 0);
    if (!readDescriptor(ss, stack, kInvalidTss)) return false;
    if (stack.system() || stack.code() || (stack.type() & 2) == 0 || stack.dpl() != cpl || (ss & 3U) != cpl)
      return fail(kInvalidTss, ss & 0xfffcU);
    if (!stack.present()) return fail(kStackFault, ss & 0xfffcU);
    if (!markAccessed(stack)) return false;
    st.segments[kSs] = stack.segment(ss);
    updateFlat();
    for (const unsigned n : {0U, 3U, 4U, 5U}) {
      if (loadSegment(kOrder[n], selectors[n])) continue;
      if (fault_.vector == kGeneralProtection) fault_.vector = kInvalidTss;
      return false;
    }
  }
  if (errorCode != nullptr && !push(*errorCode, to.width)) return false;
  if (to.width == 4 && image[0x64] % 2 != 0) pendingDr6_ |= 0x8000;  // the T bit
  if (st.gpr[kRipRegister] > st.segments[kCs].limit) return fail(kGeneralProtection);
  return true;
}

}  // namespace rhea::x86
