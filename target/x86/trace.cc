// What -d wants to know of a CPU.
#include "target/x86/cpu.h"

namespace rhea::x86 {

namespace {

constexpr std::string_view nameOf(Cpu::EventKind kind) {
  switch (kind) {
    case Cpu::EventKind::kFault:
      return "fault";
    case Cpu::EventKind::kTrap:
      return "trap";
    case Cpu::EventKind::kSoftware:
    case Cpu::EventKind::kPrivilegedSoftware:
      return "software interrupt";
    case Cpu::EventKind::kExternal:
      return "interrupt";
  }
  return "event";
}

}  // namespace

void Cpu::traceDelivery(const Fault& fault, EventKind kind) {
  const std::uint64_t linear = linearRip();
  if (!environment_.trace->wants(cpu::TraceLog::kInterrupts, linear)) return;
  std::string line =
      fmt::format("CPU {}: {} {:#04x}, error {:#x}, cpl {}, at {:#06x}:{:#x}, rsp {:#x}", index(), nameOf(kind),
                  fault.vector, fault.error, st.cpl, st.segments[kCs].selector, st.gpr[kRipRegister], st.gpr[kRsp]);
  if (fault.vector == kPageFault && kind == EventKind::kFault) line += fmt::format(", address {:#x}", fault.address);
  environment_.trace->write(line + '\n');
}

}  // namespace rhea::x86
