// Descriptors and segment registers (Intel SDM 3A, 3.4 and 5).
#include "target/x86/cpu.h"

namespace rhea::x86 {

Segment Cpu::Descriptor::segment(std::uint16_t selector) const {
  Segment s;
  s.selector = selector;
  s.attributes = static_cast<std::uint16_t>((low >> 40) & 0xf0ff);
  s.base = (low >> 16 & 0xffffff) | (low >> 32 & 0xff000000) | (high << 32);
  auto limit = static_cast<std::uint32_t>((low & 0xffff) | (low >> 32 & 0xf0000));
  if (s.granular()) limit = (limit << 12) | 0xfff;
  s.limit = limit;
  return s;
}

// `found` is false where the selector points outside its table; a page fault gives false.
bool Cpu::peekDescriptor(std::uint16_t selector, Descriptor& to, bool& found, bool wide) {
  found = false;
  std::uint64_t base = st.gdtr.base;
  std::uint64_t limit = st.gdtr.limit;
  if ((selector & 4) != 0) {
    if (!st.ldtr.present()) return true;
    base = st.ldtr.base;
    limit = st.ldtr.limit;
  }
  const std::uint64_t offset = selector & 0xfff8U;
  if (offset + (wide ? 15 : 7) > limit) return true;
  to = {};
  to.address = base + offset;
  if (!loadSystem(to.address, &to.low, 8) || (wide && !loadSystem(to.address + 8, &to.high, 8))) return false;
  if (wide) to.high &= 0xffffffff;
  found = true;
  return true;
}

bool Cpu::readDescriptor(std::uint16_t selector, Descriptor& to, Exception vector, bool wide) {
  bool found;
  if (!peekDescriptor(selector, to, found, wide)) return false;
  return found || fail(vector, selector & 0xfffcU);
}

bool Cpu::markAccessed(Descriptor& descriptor) {
  if (descriptor.system() || (descriptor.type() & 1) != 0) return true;
  descriptor.low |= std::uint64_t{1} << 40;
  const auto byte = static_cast<std::uint8_t>(descriptor.low >> 40);
  return storeSystem(descriptor.address + 5, &byte, 1);
}

void Cpu::loadRealSegment(SegmentIndex segment, std::uint16_t selector) {
  Segment& s = st.segments[segment];
  s.selector = selector;
  s.base = static_cast<std::uint64_t>(selector) << 4;
  if (st.v86()) {
    s.limit = 0xffff;
    s.attributes = 0xf3;
  } else if (segment == kCs) {
    // Real mode keeps limit and size of what was loaded before.
    s.attributes = static_cast<std::uint16_t>((s.attributes & 0xff00) | 0x93);
  }
}

bool Cpu::loadSegment(SegmentIndex segment, std::uint16_t selector) {
  if (!st.protectedMode() || st.v86()) {
    loadRealSegment(segment, selector);
    return true;
  }
  const unsigned rpl = selector & 3;
  if ((selector & 0xfffc) == 0) {
    if (segment == kSs && !(st.mode64() && st.cpl != 3 && rpl == st.cpl)) return fail(kGeneralProtection);
    Segment& s = st.segments[segment];
    const std::uint64_t base = s.base;
    s = {};
    s.selector = selector;
    if (segment == kSs) s.attributes = static_cast<std::uint16_t>(0x4010 | (st.cpl << 5));
    // FS and GS keep their bases on some processors; the others of today clear them.
    static_cast<void>(base);
    updateFlat();
    return true;
  }
  Descriptor d;
  if (!readDescriptor(selector, d)) return false;
  const std::uint32_t error = selector & 0xfffcU;
  if (d.system()) return fail(kGeneralProtection, error);
  if (segment == kSs) {
    if (rpl != st.cpl || d.dpl() != st.cpl || d.code() || (d.type() & 2) == 0) return fail(kGeneralProtection, error);
    if (!d.present()) return fail(kStackFault, error);
  } else {
    if (d.code() && (d.type() & 2) == 0) return fail(kGeneralProtection, error);
    if (!(d.code() && d.conforming()) && (rpl > d.dpl() || st.cpl > d.dpl())) return fail(kGeneralProtection, error);
    if (!d.present()) return fail(kSegmentNotPresent, error);
  }
  if (!markAccessed(d)) return false;
  st.segments[segment] = d.segment(selector);
  updateFlat();
  return true;
}

void Cpu::setCode(const Segment& segment, unsigned cpl) {
  st.segments[kCs] = segment;
  st.segments[kCs].selector = static_cast<std::uint16_t>((segment.selector & ~3U) | cpl);
  st.cpl = static_cast<std::uint8_t>(cpl);
  updateMode();
}

bool Cpu::stackFromTss(unsigned cpl, std::uint16_t& ss, std::uint64_t& sp, Exception vector) {
  const std::uint32_t error = st.tr.selector & 0xfffcU;
  if (st.longMode()) {
    const std::uint64_t at = 4 + cpl * 8;
    if (at + 7 > st.tr.limit) return fail(vector, error);
    ss = static_cast<std::uint16_t>(cpl);
    return loadSystem(st.tr.base + at, &sp, 8);
  }
  sp = 0;
  if ((st.tr.type() & 8) != 0) {
    const std::uint64_t at = 4 + cpl * 8;
    if (at + 5 > st.tr.limit) return fail(vector, error);
    return loadSystem(st.tr.base + at, &sp, 4) && loadSystem(st.tr.base + at + 4, &ss, 2);
  }
  const std::uint64_t at = 2 + cpl * 4;
  if (at + 3 > st.tr.limit) return fail(vector, error);
  return loadSystem(st.tr.base + at, &sp, 2) && loadSystem(st.tr.base + at + 2, &ss, 2);
}

bool Cpu::portAllowed(std::uint16_t port, unsigned size) {
  if (!st.protectedMode() || (!st.v86() && st.cpl <= st.iopl())) return true;
  // The TSS's bit map: only a 32-bit (or 64-bit) TSS has one.
  if (!st.tr.present() || (st.tr.type() & 8) == 0 || st.tr.limit < 0x67) return fail(kGeneralProtection);
  std::uint16_t map = 0;
  std::uint16_t bits = 0;
  if (!loadSystem(st.tr.base + 0x66, &map, 2)) return false;
  const std::uint64_t at = map + (port >> 3);
  if (at + 1 > st.tr.limit) return fail(kGeneralProtection);
  if (!loadSystem(st.tr.base + at, &bits, 2)) return false;
  const unsigned mask = ((1U << size) - 1) << (port & 7);
  return (bits & mask) == 0 || fail(kGeneralProtection);
}

}  // namespace rhea::x86
