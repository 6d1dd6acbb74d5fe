// What -d wants to know of a CPU.
#include "target/x86/block.h"
#include "target/x86/cpu.h"
#include "target/x86/decode.h"

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

void Cpu::traceChanged() {
  const bool each = traced(cpu::TraceLog::kEachBlock);
  if (each != eachBlock_) clearBlocks();
  eachBlock_ = each;
  // With translated code each block goes back to the loop that chooses.
  chains_ = engine_ == nullptr && !each && !counts_;
}

void Cpu::traceDecoded(const Block& block, std::uint64_t linear) const {
  const cpu::TraceLog& trace = *environment_.trace;
  const Place place = placeOf(block.physical);
  if (!trace.wants(cpu::TraceLog::kInAsm, linear) || place.host == nullptr) return;
  std::vector<std::uint8_t> bytes(block.bytes);
  const std::size_t here = std::min<std::size_t>(bytes.size(), 0x1000 - (block.physical & 0xfff));
  std::copy_n(place.host, here, bytes.begin());
  if (here != bytes.size()) {
    const Place second = placeOf(block.second);
    if (second.host != nullptr) std::copy_n(second.host, bytes.size() - here, bytes.begin() + static_cast<long>(here));
  }
  environment_.trace->write(fmt::format("----------------\nIN: CPU {}, cpl {}, physical {:#x}\n{}\n", index(), st.cpl,
                                        block.physical, listing(bytes, linear, mode_, RowSet(model()), block.count)));
}

void Cpu::traceBlock(const Block& block) const {
  cpu::TraceLog& trace = *environment_.trace;
  const std::uint64_t linear = linearRip();
  if (trace.wants(cpu::TraceLog::kExec, linear)) {
    trace.write(fmt::format("Trace {}: {:#x} [{:#x}], {} instructions, {}\n", index(), linear, block.physical,
                            block.count, block.native != nullptr ? "translated" : "interpreted"));
  }
  if (trace.wants(cpu::TraceLog::kCpu, linear)) trace.write(describe());
}

}  // namespace rhea::x86
