// fxsave, fxrstor, ldmxcsr, stmxcsr, and what they share with xsave.
#include "target/x86/fpu/save-area.h"

#include "target/x86/fpu/native.h"
#include "target/x86/simd/mxcsr.h"

namespace rhea::x86 {
namespace fpu {
namespace {

template <class T>
void put(LegacyArea& area, std::size_t at, T value) {
  std::memcpy(area.data() + at, &value, sizeof value);
}
template <class T>
T get(const LegacyArea& area, std::size_t at) {
  T value;
  std::memcpy(&value, area.data() + at, sizeof value);
  return value;
}

}  // namespace

void saveX87(const Fpu& fpu, bool wide, LegacyArea& to) {
  put(to, 0, fpu.control);
  put(to, 2, fpu.status);
  put(to, 4, std::uint16_t{fpu.tags});
  put(to, 6, fpu.opcode);
  if (wide) {
    put(to, 8, fpu.ip);
    put(to, 16, fpu.dp);
  } else {
    put(to, 8, static_cast<std::uint32_t>(fpu.ip));
    put(to, 12, std::uint32_t{fpu.ipSelector});
    put(to, 16, static_cast<std::uint32_t>(fpu.dp));
    put(to, 20, std::uint32_t{fpu.dpSelector});
  }
  for (unsigned n = 0; n < 8; ++n) {
    const Float80& from = fpu.registers[(fpu.top() + n) & 7];
    put(to, kStackAt + 16 * n, from.mantissa);
    put(to, kStackAt + 16 * n + 8, std::uint64_t{from.signExponent});
  }
}

void loadX87(Fpu& fpu, bool wide, const LegacyArea& from) {
  fpu.control = (get<std::uint16_t>(from, 0) & kControlValid) | kControlFixed;
  fpu.status = withSummary(get<std::uint16_t>(from, 2), fpu.control);
  fpu.tags = from[4];
  fpu.opcode = get<std::uint16_t>(from, 6) & 0x7ff;
  if (wide) {
    fpu.ip = get<std::uint64_t>(from, 8);
    fpu.dp = get<std::uint64_t>(from, 16);
    fpu.ipSelector = fpu.dpSelector = 0;
  } else {
    fpu.ip = get<std::uint32_t>(from, 8);
    fpu.ipSelector = get<std::uint16_t>(from, 12);
    fpu.dp = get<std::uint32_t>(from, 16);
    fpu.dpSelector = get<std::uint16_t>(from, 20);
  }
  for (unsigned n = 0; n < 8; ++n) {
    Float80& to = fpu.registers[(fpu.top() + n) & 7];
    to = {get<std::uint64_t>(from, kStackAt + 16 * n), get<std::uint16_t>(from, kStackAt + 16 * n + 8)};
  }
}

unsigned vectorCount(const Cpu& cpu) { return cpu.st.mode64() ? 16 : 8; }

void saveXmm(const Cpu& cpu, LegacyArea& to) {
  for (unsigned n = 0; n < vectorCount(cpu); ++n) {
    std::memcpy(to.data() + kXmmAt + 16 * n, cpu.st.vector[n].bytes.data(), 16);
  }
}
void loadXmm(Cpu& cpu, const LegacyArea& from) {
  for (unsigned n = 0; n < vectorCount(cpu); ++n) {
    std::memcpy(cpu.st.vector[n].bytes.data(), from.data() + kXmmAt + 16 * n, 16);
  }
}

std::uint32_t mxcsrOf(const LegacyArea& area) { return get<std::uint32_t>(area, kMxcsrAt); }
void saveMxcsr(const Cpu& cpu, LegacyArea& to) {
  put(to, kMxcsrAt, cpu.st.mxcsr);
  put(to, kMxcsrAt + 4, simd::kMxcsrValid);
}

}  // namespace fpu

namespace {

using namespace fpu;

bool alignedAddress(Cpu& cpu, const Insn& i, std::size_t size, AccessKind kind, std::uint64_t& address) {
  if (!cpu.linear(i, size, kind, address)) return false;
  return (address & 15) == 0 || cpu.fail(kGeneralProtection);
}

}  // namespace

// Bytes above the last register are left as they are.
RHEA_EXEC(fxsave) {
  std::uint64_t address;
  if (!alignedAddress(cpu, i, kLegacySize, AccessKind::kWrite, address)) return Outcome::kFault;
  LegacyArea area;
  saveX87(cpu.st.fpu, i.w(), area);
  saveMxcsr(cpu, area);
  saveXmm(cpu, area);
  const std::size_t size = kXmmAt + 16 * vectorCount(cpu);
  return cpu.storeBytes(address, area.data(), size, i.segment()) ? Outcome::kNext : Outcome::kFault;
}
RHEA_EXEC(fxrstor) {
  std::uint64_t address;
  LegacyArea area;
  if (!alignedAddress(cpu, i, kLegacySize, AccessKind::kRead, address) ||
      !cpu.loadBytes(address, area.data(), kLegacySize, i.segment())) {
    return Outcome::kFault;
  }
  if (mxcsrOf(area) & ~simd::kMxcsrValid) return cpu.generalProtection();
  loadX87(cpu.st.fpu, i.w(), area);
  cpu.st.mxcsr = mxcsrOf(area);
  loadXmm(cpu, area);
  return Outcome::kNext;
}

RHEA_EXEC(ldmxcsr) {
  std::uint32_t value;
  if (!cpu.read(i, value)) return Outcome::kFault;
  if (value & ~simd::kMxcsrValid) return cpu.generalProtection();
  cpu.st.mxcsr = value;
  return Outcome::kNext;
}
RHEA_EXEC(stmxcsr) { return cpu.write<std::uint32_t>(i, cpu.st.mxcsr) ? Outcome::kNext : Outcome::kFault; }

}  // namespace rhea::x86
