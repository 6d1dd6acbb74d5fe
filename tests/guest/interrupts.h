// Interrupts: the tick of the 8254 through the 8259 at 100 Hz, and message-signalled ones through the local APIC.
#pragma once

#include "tests/guest/cpu.h"

namespace guest {

constexpr uint64_t kTicksPerSecond = 100;
constexpr uint8_t kDiskVector = 0x30;

void startInterrupts();
uint64_t ticks();
// Microseconds since some moment, by the time stamp counter as the ticks have measured it.
uint64_t microseconds();
// What a device writes where to raise `vector` here.
constexpr uint64_t kMessageAddress = 0xfee00000;

}  // namespace guest
