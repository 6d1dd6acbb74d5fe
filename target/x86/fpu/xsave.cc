// xsave, xsaveopt, xsavec, xsaves, xrstor, xrstors with the components x87, SSE and AVX (SDM volume 1, 13.7 to 13.12).
#include "target/x86/fpu/native.h"
#include "target/x86/fpu/save-area.h"
#include "target/x86/simd/mxcsr.h"

namespace rhea::x86 {
namespace {

using namespace fpu;

struct Header {
  std::uint64_t present = 0;    // XSTATE_BV
  std::uint64_t compacted = 0;  // XCOMP_BV
  std::array<std::uint64_t, 6> reserved{};
};
static_assert(sizeof(Header) == kHeaderSize);

constexpr std::uint64_t kCompacted = std::uint64_t{1} << 63;

bool allZero(std::span<const std::uint8_t> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t b) { return b == 0; });
}

// #UD without CR4.OSXSAVE, #NM with CR0.TS; the operand is aligned to 64 bytes.
bool enter(Cpu& cpu, const Insn& i, AccessKind kind, std::uint64_t& address) {
  if (!(cpu.st.cr4 & kCr4Osxsave)) return cpu.fail(kInvalidOpcode);
  if (cpu.st.cr0 & kCr0Ts) return cpu.fail(kDeviceNotAvailable);
  if (!cpu.linear(i, kLegacySize + kHeaderSize, kind, address)) return false;
  return (address & 63) == 0 || cpu.fail(kGeneralProtection);
}
std::uint64_t requested(const Cpu& cpu) {
  return (cpu.st.gpr[kRdx] << 32 | (cpu.st.gpr[kRax] & 0xffffffff)) & cpu.st.xcr0;
}

class Writer {
 public:
  Writer(Cpu& cpu, const Insn& i, std::uint64_t address) : cpu_(cpu), segment_(i.segment()), address_(address) {}
  bool put(std::size_t at, const void* from, std::size_t size) {
    return cpu_.storeBytes(address_ + at, from, size, segment_);
  }

 private:
  Cpu& cpu_;
  SegmentIndex segment_;
  std::uint64_t address_;
};

bool writeComponents(Cpu& cpu, const Insn& i, Writer& to, std::uint64_t components, bool mxcsr) {
  LegacyArea area{};
  if (components & kComponentX87) {
    saveX87(cpu.st.fpu, i.w(), area);
    if (!to.put(0, area.data(), kMxcsrAt) || !to.put(kStackAt, area.data() + kStackAt, kXmmAt - kStackAt)) return false;
  }
  if (mxcsr) {
    saveMxcsr(cpu, area);
    if (!to.put(kMxcsrAt, area.data() + kMxcsrAt, 8)) return false;
  }
  if (components & kComponentSse) {
    saveXmm(cpu, area);
    if (!to.put(kXmmAt, area.data() + kXmmAt, 16 * vectorCount(cpu))) return false;
  }
  if (components & kComponentAvx) {
    std::array<std::uint8_t, kAvxSize> upper;
    for (unsigned n = 0; n < vectorCount(cpu); ++n) {
      std::memcpy(upper.data() + 16 * n, cpu.st.vector[n].bytes.data() + 16, 16);
    }
    if (!to.put(kAvxOffset, upper.data(), 16 * vectorCount(cpu))) return false;
  }
  return true;
}

// xsave writes every requested component, xsaveopt those in use. XSTATE_BV keeps the bits that were not requested.
Outcome saveStandard(Cpu& cpu, const Insn& i, bool optimised) {
  std::uint64_t address;
  if (!enter(cpu, i, AccessKind::kWrite, address)) return Outcome::kFault;
  const std::uint64_t wanted = requested(cpu);
  std::uint64_t present;
  if (!cpu.load(address + kLegacySize, present, i.segment())) return Outcome::kFault;
  const std::uint64_t used = cpu.xinuse();
  Writer to(cpu, i, address);
  const bool mxcsr = (wanted & (kComponentSse | kComponentAvx)) != 0;
  if (!writeComponents(cpu, i, to, optimised ? wanted & used : wanted, mxcsr)) return Outcome::kFault;
  present = (present & ~wanted) | (used & wanted);
  return to.put(kLegacySize, &present, sizeof present) ? Outcome::kNext : Outcome::kFault;
}

Outcome saveCompacted(Cpu& cpu, const Insn& i, std::uint64_t wanted) {
  std::uint64_t address;
  if (!enter(cpu, i, AccessKind::kWrite, address)) return Outcome::kFault;
  std::uint64_t used = cpu.xinuse() & wanted;
  // MXCSR belongs to the SSE component here.
  if ((wanted & kComponentSse) && cpu.st.mxcsr != simd::kMxcsrDefault) used |= kComponentSse;
  Writer to(cpu, i, address);
  if (!writeComponents(cpu, i, to, used, (used & kComponentSse) != 0)) return Outcome::kFault;
  Header header;
  header.present = used;
  header.compacted = wanted | kCompacted;
  return to.put(kLegacySize, &header, sizeof header) ? Outcome::kNext : Outcome::kFault;
}

bool validHeader(const Cpu& cpu, const Header& header, bool mustBeCompacted) {
  if (header.present & ~cpu.st.xcr0) return false;
  for (const std::uint64_t word : header.reserved) {
    if (word != 0) return false;
  }
  if (!(header.compacted & kCompacted)) return !mustBeCompacted && header.compacted == 0;
  const std::uint64_t components = header.compacted & ~kCompacted;
  return (components & ~cpu.st.xcr0) == 0 && (header.present & ~components) == 0;
}

Outcome restore(Cpu& cpu, const Insn& i, bool mustBeCompacted) {
  std::uint64_t address;
  LegacyArea area;
  Header header;
  if (!enter(cpu, i, AccessKind::kRead, address) || !cpu.loadBytes(address, area.data(), kLegacySize, i.segment()) ||
      !cpu.loadBytes(address + kLegacySize, &header, sizeof header, i.segment())) {
    return Outcome::kFault;
  }
  if (!validHeader(cpu, header, mustBeCompacted)) return cpu.generalProtection();
  const std::uint64_t wanted = requested(cpu);
  const std::uint64_t load = wanted & header.present;
  const std::uint64_t clear = wanted & ~header.present;
  const bool compacted = (header.compacted & kCompacted) != 0;
  std::array<std::uint8_t, kAvxSize> upper{};
  if ((load & kComponentAvx) &&
      !cpu.loadBytes(address + kAvxOffset, upper.data(), 16 * vectorCount(cpu), i.segment())) {
    return Outcome::kFault;
  }
  // In the standard format MXCSR comes from memory whenever SSE or AVX is asked for, present or not.
  const bool loadMxcsr = compacted ? (load & kComponentSse) != 0 : (wanted & (kComponentSse | kComponentAvx)) != 0;
  if (loadMxcsr && (mxcsrOf(area) & ~simd::kMxcsrValid)) return cpu.generalProtection();

  if (loadMxcsr)
    cpu.st.mxcsr = mxcsrOf(area);
  else if (clear & kComponentSse)
    cpu.st.mxcsr = simd::kMxcsrDefault;
  if (load & kComponentX87) {
    loadX87(cpu.st.fpu, i.w(), area);
  } else if (clear & kComponentX87) {
    cpu.st.fpu = Fpu{};
    cpu.st.fpu.control = kControlInitial;
    cpu.st.fpu.tags = 0;
  }
  if (load & kComponentSse) {
    loadXmm(cpu, area);
  } else if (clear & kComponentSse) {
    loadXmm(cpu, LegacyArea{});
  }
  if (wanted & kComponentAvx) {
    for (unsigned n = 0; n < vectorCount(cpu); ++n) {
      std::memcpy(cpu.st.vector[n].bytes.data() + 16, upper.data() + 16 * n, 16);
    }
  }
  return Outcome::kNext;
}

}  // namespace

// XINUSE: the components that are not as after initialisation.
std::uint64_t Cpu::xinuse() const {
  const Fpu& fpu = st.fpu;
  bool x87 = fpu.control != kControlInitial || fpu.status != 0 || fpu.tags != 0 || fpu.ip != 0 || fpu.dp != 0 ||
             fpu.opcode != 0 || fpu.ipSelector != 0 || fpu.dpSelector != 0;
  for (const Float80& r : fpu.registers) x87 = x87 || r.mantissa != 0 || r.signExponent != 0;
  bool sse = false;
  bool avx = false;
  for (unsigned n = 0; n < vectorCount(*this); ++n) {
    const std::span<const std::uint8_t> bytes = st.vector[n].bytes;
    sse = sse || !allZero(bytes.first(16));
    avx = avx || !allZero(bytes.subspan(16));
  }
  return (x87 ? kComponentX87 : 0) | (sse ? kComponentSse : 0) | (avx ? kComponentAvx : 0);
}

RHEA_EXEC(xsave) { return saveStandard(cpu, i, false); }
RHEA_EXEC(xsaveopt) { return saveStandard(cpu, i, true); }
RHEA_EXEC(xsavec) { return saveCompacted(cpu, i, requested(cpu)); }
// IA32_XSS has no component that is implemented, so that these ask for XCR0's only.
RHEA_EXEC(xsaves) { return saveCompacted(cpu, i, requested(cpu)); }
RHEA_EXEC(xrstor) { return restore(cpu, i, false); }
RHEA_EXEC(xrstors) { return restore(cpu, i, true); }

}  // namespace rhea::x86
