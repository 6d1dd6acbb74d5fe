#include "emu/machine/boot-cpu.h"

namespace rhea::machine {

void enterAt(x86::Cpu& cpu, const hw::BootEntry& entry) {
  x86::State& state = cpu.st;
  const bool longMode = entry.mode == hw::BootEntry::Mode::kLong;
  x86::Segment code;
  code.selector = entry.codeSelector;
  code.attributes = longMode ? 0xa09b : 0xc09b;  // execute, read, present, 4 KiB granularity; 64 or 32 bits
  code.limit = 0xffffffff;
  x86::Segment data;
  data.selector = entry.dataSelector;
  data.attributes = 0xc093;
  data.limit = 0xffffffff;
  state.segments.fill(data);
  state.segments[x86::kCs] = code;
  state.gdtr = {entry.gdt, entry.gdtLimit};
  state.idtr = {0, 0};
  state.cr0 = x86::kCr0Pe | x86::kCr0Et;
  if (longMode) {
    state.cr3 = entry.pageTables;
    state.cr4 = x86::kCr4Pae;
    state.msr.efer = x86::kEferLme | x86::kEferLma;
    state.cr0 |= x86::kCr0Pg;
  }
  state.gpr[x86::kRsi] = entry.rsi;
  state.gpr[x86::kRbx] = entry.rbx;
  state.gpr[x86::kRipRegister] = entry.address;
  cpu.updateMode();
  cpu.flushTlb(true);
}

}  // namespace rhea::machine
