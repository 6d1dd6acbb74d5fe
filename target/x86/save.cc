// The state of a vCPU as named fields, for saved machines.
#include "emu/migrate/state.h"
#include "target/x86/cpu.h"

namespace rhea::x86 {

namespace {

// One list for both directions: `each` is called with a name and a scalar or an array.
template <class S, class Each>
Result<void> eachField(S& st, Each each) {
  RHEA_CHECK(each("gpr", st.gpr));
  RHEA_CHECK(each("system-flags", st.system));
  RHEA_CHECK(each("cpl", st.cpl));
  constexpr const char* kNames[] = {"es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"};
  for (unsigned n = 0; n < 8; ++n) {
    auto& s = n < 6 ? st.segments[n] : n == 6 ? st.ldtr : st.tr;
    RHEA_CHECK(each(fmt::format("{}-selector", kNames[n]), s.selector));
    RHEA_CHECK(each(fmt::format("{}-attributes", kNames[n]), s.attributes));
    RHEA_CHECK(each(fmt::format("{}-limit", kNames[n]), s.limit));
    RHEA_CHECK(each(fmt::format("{}-base", kNames[n]), s.base));
  }
  RHEA_CHECK(each("gdt-base", st.gdtr.base));
  RHEA_CHECK(each("gdt-limit", st.gdtr.limit));
  RHEA_CHECK(each("idt-base", st.idtr.base));
  RHEA_CHECK(each("idt-limit", st.idtr.limit));
  RHEA_CHECK(each("cr0", st.cr0));
  RHEA_CHECK(each("cr2", st.cr2));
  RHEA_CHECK(each("cr3", st.cr3));
  RHEA_CHECK(each("cr4", st.cr4));
  RHEA_CHECK(each("cr8", st.cr8));
  RHEA_CHECK(each("pdpte", st.pdpte));
  RHEA_CHECK(each("dr", st.dr));
  RHEA_CHECK(each("xcr0", st.xcr0));
  RHEA_CHECK(each("mxcsr", st.mxcsr));
  auto& m = st.msr;
  RHEA_CHECK(each("msr-efer", m.efer));
  RHEA_CHECK(each("msr-star", m.star));
  RHEA_CHECK(each("msr-lstar", m.lstar));
  RHEA_CHECK(each("msr-cstar", m.cstar));
  RHEA_CHECK(each("msr-sfmask", m.sfmask));
  RHEA_CHECK(each("msr-kernel-gs-base", m.kernelGsBase));
  RHEA_CHECK(each("msr-tsc-aux", m.tscAux));
  RHEA_CHECK(each("msr-sysenter-cs", m.sysenterCs));
  RHEA_CHECK(each("msr-sysenter-esp", m.sysenterEsp));
  RHEA_CHECK(each("msr-sysenter-eip", m.sysenterEip));
  RHEA_CHECK(each("msr-pat", m.pat));
  RHEA_CHECK(each("msr-misc-enable", m.miscEnable));
  RHEA_CHECK(each("msr-tsc-adjust", m.tscAdjust));
  RHEA_CHECK(each("msr-debug-control", m.debugCtl));
  RHEA_CHECK(each("msr-xss", m.xss));
  RHEA_CHECK(each("msr-mtrr-default", m.mtrrDefType));
  RHEA_CHECK(each("msr-spec-control", m.specCtrl));
  RHEA_CHECK(each("msr-mtrr-variable", m.mtrrVariable));
  RHEA_CHECK(each("msr-mtrr-fixed", m.mtrrFixed));
  RHEA_CHECK(each("msr-machine-check", m.machineCheck));
  RHEA_CHECK(each("msr-machine-check-status", m.machineCheckStatus));
  RHEA_CHECK(each("msr-machine-check-control", m.machineCheckControl));
  auto& f = st.fpu;
  for (unsigned n = 0; n < 8; ++n) {
    RHEA_CHECK(each(fmt::format("fpr{}-mantissa", n), f.registers[n].mantissa));
    RHEA_CHECK(each(fmt::format("fpr{}-exponent", n), f.registers[n].signExponent));
  }
  RHEA_CHECK(each("fpu-control", f.control));
  RHEA_CHECK(each("fpu-status", f.status));
  RHEA_CHECK(each("fpu-tags", f.tags));
  RHEA_CHECK(each("fpu-opcode", f.opcode));
  RHEA_CHECK(each("fpu-ip", f.ip));
  RHEA_CHECK(each("fpu-ip-selector", f.ipSelector));
  RHEA_CHECK(each("fpu-dp", f.dp));
  RHEA_CHECK(each("fpu-dp-selector", f.dpSelector));
  for (unsigned n = 0; n < 16; ++n) RHEA_CHECK(each(fmt::format("ymm{}", n), st.vector[n].bytes));
  return success();
}

template <class T>
constexpr bool kIsArray = false;
template <class T, std::size_t n>
constexpr bool kIsArray<std::array<T, n>> = true;

}  // namespace

void Cpu::save(migrate::StateWriter& to) const {
  static_cast<void>(eachField(st, [&](std::string_view name, const auto& value) -> Result<void> {
    if constexpr (kIsArray<std::remove_cvref_t<decltype(value)>>)
      to.putArray(name, value);
    else
      to.put(name, value);
    return success();
  }));
  // As RFLAGS has them: State::arith has bits between them that say nothing.
  to.put("arithmetic-flags", st.arithmeticFlags());
  to.put("halted", halted());
  to.put("waits-for-startup", waitsForStartup_);
  to.put("shut-down", shutDown_);
  to.put("inhibit", inhibit_);
  to.put("inhibit-debug", inhibitDebug_);
  to.put("interrupt-waits", interruptWaits_ || (pending() & cpu::kInterrupt) != 0);
  to.put("nmi-waits", nmiWaits_ || (pending() & cpu::kNmi) != 0);
  to.put("nmi-blocked", nmiBlocked_);
  to.put("pending-dr6", pendingDr6_);
}

Result<void> Cpu::load(migrate::StateReader& from) {
  State loaded;
  RHEA_CHECK(eachField(loaded, [&](std::string_view name, auto& value) -> Result<void> {
    if constexpr (kIsArray<std::remove_cvref_t<decltype(value)>>)
      return from.getArray(name, value);
    else
      return from.get(name, value);
  }));
  std::uint64_t arithmetic = 0;
  RHEA_CHECK(from.get("arithmetic-flags", arithmetic));
  loaded.setArithmetic(arithmetic);
  // What the interpreter relies on without looking again.
  loaded.gpr[kZeroRegister] = 0;
  if (loaded.cpl > 3) return Error(fmt::format("vCPU {}: cpl is {}, expected 0 to 3", index(), loaded.cpl));
  if ((loaded.xcr0 & ~std::uint64_t{7}) != 0)
    return Error(fmt::format("vCPU {}: XCR0 {:#x} has parts that are not there", index(), loaded.xcr0));
  bool isHalted = false;
  RHEA_CHECK(from.get("halted", isHalted));
  RHEA_CHECK(from.get("waits-for-startup", waitsForStartup_));
  RHEA_CHECK(from.get("shut-down", shutDown_));
  RHEA_CHECK(from.get("inhibit", inhibit_));
  RHEA_CHECK(from.get("inhibit-debug", inhibitDebug_));
  RHEA_CHECK(from.get("interrupt-waits", interruptWaits_));
  RHEA_CHECK(from.get("nmi-waits", nmiWaits_));
  RHEA_CHECK(from.get("nmi-blocked", nmiBlocked_));
  RHEA_CHECK(from.get("pending-dr6", pendingDr6_));
  RHEA_CHECK(from.finish());
  // All but the word that other threads write to.
  constexpr std::size_t kPending = offsetof(State, pending);
  constexpr std::size_t kBehind = kPending + sizeof(State::pending);
  auto* to = reinterpret_cast<std::byte*>(&st);
  const auto* bytes = reinterpret_cast<const std::byte*>(&loaded);
  std::memcpy(to, bytes, kPending);
  std::memcpy(to + kBehind, bytes + kBehind, sizeof(State) - kBehind);
  halted_.store(isHalted, std::memory_order_relaxed);
  flushTlb(true);
  clearBlocks();
  enterSpace();
  updateMode();
  return success();
}

}  // namespace rhea::x86
