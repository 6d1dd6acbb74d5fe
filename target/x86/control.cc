// Control registers, RFLAGS, XCR0, reset and INIT.
#include <sys/random.h>

#include "target/x86/block.h"
#include "target/x86/cpu.h"

namespace rhea::x86 {

void Cpu::setRflags(std::uint64_t value, std::uint64_t mask) {
  const std::uint64_t all = (st.rflags() & ~mask) | (value & mask);
  st.setArithmetic(all);
  st.system = (all & ~(kArithmeticFlags | 0x8028)) | 2;
  selectTlb();
}

bool Cpu::writeCr0(std::uint64_t value) {
  if (st.mode64() ? (value >> 32) != 0 : false) return fail(kGeneralProtection);
  value = (value & (kCr0Pe | kCr0Mp | kCr0Em | kCr0Ts | kCr0Ne | kCr0Wp | kCr0Am | kCr0Nw | kCr0Cd | kCr0Pg)) | kCr0Et;
  if ((value & kCr0Pg) != 0 && (value & kCr0Pe) == 0) return fail(kGeneralProtection);
  if ((value & kCr0Nw) != 0 && (value & kCr0Cd) == 0) return fail(kGeneralProtection);
  const std::uint64_t changed = st.cr0 ^ value;
  if ((changed & kCr0Pg) != 0) {
    if ((value & kCr0Pg) != 0) {
      if ((st.msr.efer & kEferLme) != 0) {
        if ((st.cr4 & kCr4Pae) == 0 || st.segments[kCs].longMode()) return fail(kGeneralProtection);
        st.msr.efer |= kEferLma;
      } else if ((st.cr4 & kCr4Pae) != 0 && !loadPdptes(st.cr3)) {
        return false;
      }
    } else {
      if (st.mode64() || (st.cr4 & kCr4Pcide) != 0) return fail(kGeneralProtection);
      st.msr.efer &= ~kEferLma;
    }
  }
  st.cr0 = value;
  if ((changed & (kCr0Pg | kCr0Wp | kCr0Pe)) != 0) flushTlb(true);
  updateMode();
  return true;
}

bool Cpu::writeCr3(std::uint64_t value) {
  bool keeps = false;
  if (st.longMode()) {
    keeps = (st.cr4 & kCr4Pcide) != 0 && (value >> 63) != 0;
    if (keeps) value &= ~(std::uint64_t{1} << 63);
    if ((value >> model().physicalBits) != 0) return fail(kGeneralProtection);
  } else {
    value &= 0xffffffff;
    if ((st.cr4 & kCr4Pae) != 0 && (st.cr0 & kCr0Pg) != 0 && !loadPdptes(value)) return false;
  }
  st.cr3 = value;
  enterSpace();
  if (!keeps) flushSpace(space_->pcid);
  return true;
}

bool Cpu::writeCr4(std::uint64_t value) {
  std::uint64_t allowed = kCr4Pce;
  const auto also = [&](std::string_view feature, std::uint64_t bit) {
    if (model().has(feature)) allowed |= bit;
  };
  also("vme", kCr4Vme | kCr4Pvi);
  also("tsc", kCr4Tsd);
  also("de", kCr4De);
  also("pse", kCr4Pse);
  also("pae", kCr4Pae);
  also("mce", kCr4Mce);
  also("pge", kCr4Pge);
  also("fxsr", kCr4Osfxsr);
  also("sse", kCr4Osxmmexcpt);
  also("umip", kCr4Umip);
  also("fsgsbase", kCr4Fsgsbase);
  also("pcid", kCr4Pcide);
  also("xsave", kCr4Osxsave);
  also("smep", kCr4Smep);
  also("smap", kCr4Smap);
  if ((value & ~allowed) != 0) return fail(kGeneralProtection);
  const std::uint64_t changed = st.cr4 ^ value;
  if (st.longMode() && (value & kCr4Pae) == 0) return fail(kGeneralProtection);
  if ((changed & value & kCr4Pcide) != 0 && (!st.longMode() || (st.cr3 & 0xfff) != 0)) return fail(kGeneralProtection);
  if ((changed & (kCr4Pae | kCr4Pse | kCr4Pge | kCr4Smep)) != 0 && (value & kCr4Pae) != 0 && (st.cr0 & kCr0Pg) != 0 &&
      !st.longMode() && !loadPdptes(st.cr3)) {
    return false;
  }
  st.cr4 = value;
  if ((changed & (kCr4Pae | kCr4Pse | kCr4Pge | kCr4Smep | kCr4Smap | kCr4Pcide)) != 0) flushTlb(true);
  if ((changed & kCr4Pcide) != 0) enterSpace();
  updateMode();
  return true;
}

bool Cpu::writeXcr0(std::uint64_t value) {
  std::uint64_t allowed = 3;
  if (model().has("avx")) allowed |= 4;
  if ((value & ~allowed) != 0 || (value & 1) == 0 || ((value & 4) != 0 && (value & 2) == 0)) return false;
  st.xcr0 = value;
  updateMode();
  return true;
}

bool Cpu::random(std::uint64_t& value) {
  if (!environment_.seed) return ::getrandom(&value, sizeof(value), GRND_NONBLOCK) == sizeof(value);
  // SplitMix64: numbers that follow from the seed and look as if they did not.
  std::uint64_t z = *environment_.seed += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  value = z ^ (z >> 31);
  return true;
}

namespace {

Segment realSegment(std::uint16_t selector, std::uint64_t base, std::uint16_t attributes) {
  Segment s;
  s.selector = selector;
  s.base = base;
  s.limit = 0xffff;
  s.attributes = attributes;
  return s;
}

}  // namespace

// What RESET and INIT have in common (Intel SDM 3A, table 9-1).
void Cpu::resetCommon() {
  st.gpr.fill(0);
  st.gpr[kRdx] = signature();
  st.gpr[kRipRegister] = 0xfff0;
  st.arith = 0;
  st.system = 2;
  st.cpl = 0;
  st.segments.fill(realSegment(0, 0, 0x93));
  st.segments[kCs] = realSegment(0xf000, 0xffff0000, 0x9b);
  st.ldtr = realSegment(0, 0, 0x82);
  st.tr = realSegment(0, 0, 0x8b);
  st.gdtr = st.idtr = {};
  st.cr2 = st.cr3 = st.cr4 = st.cr8 = 0;
  enterSpace();
  st.dr = {0, 0, 0, 0, 0, 0, 0xffff0ff0, 0x400};
  inhibit_ = inhibitDebug_ = interruptWaits_ = nmiWaits_ = nmiBlocked_ = shutDown_ = false;
  pendingDr6_ = 0;
  halted_.store(false, std::memory_order_relaxed);
}

void Cpu::reset() {
  if (traced(cpu::TraceLog::kReset))
    environment_.trace->write(fmt::format("CPU Reset (CPU {})\n{}", index(), describe()));
  resetCommon();
  st.cr0 = kCr0Et | kCr0Nw | kCr0Cd;
  st.msr = {};
  st.fpu = {};
  st.fpu.tags = 0;
  st.vector.fill({});
  st.mxcsr = 0x1f80;
  st.xcr0 = 1;
  waitsForStartup_ = index() != 0;
  if (interrupts() != nullptr) interrupts()->reset(false);
  flushTlb(true);
  clearBlocks();
  updateMode();
}

void Cpu::init() {
  const std::uint64_t cr0 = st.cr0;
  resetCommon();
  st.cr0 = kCr0Et | (cr0 & (kCr0Cd | kCr0Nw));
  st.msr.efer = 0;
  waitsForStartup_ = index() != 0;
  if (interrupts() != nullptr) interrupts()->reset(true);
  flushTlb(true);
  updateMode();
}

}  // namespace rhea::x86
