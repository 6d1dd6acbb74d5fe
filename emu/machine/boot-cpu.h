// The first CPU's registers at a kernel's entry.
#pragma once

#include "hw/firmware/boot-plan.h"
#include "target/x86/cpu.h"

namespace rhea::machine {

// The CPU has been reset; called on its thread, or before it runs.
void enterAt(x86::Cpu& cpu, const hw::BootEntry& entry);

}  // namespace rhea::machine
