#include "tests/guest/interrupts.h"

#include "tests/guest/console.h"

extern "C" char stubs[];  // 16 bytes each

namespace guest {

namespace {

struct Gate {
  uint16_t low;
  uint16_t selector;
  uint8_t stack;
  uint8_t type;
  uint16_t middle;
  uint32_t high;
  uint32_t reserved;
};
Gate gates[64];

constexpr uint64_t kApic = 0xfee00000;
volatile uint64_t tickCount;
uint64_t cyclesPerTick = 1;

void loadGates() {
  for (unsigned i = 0; i < 64; ++i) {
    const auto address = reinterpret_cast<uint64_t>(stubs) + 16 * i;
    gates[i] = {static_cast<uint16_t>(address),       8, 0, 0x8e, static_cast<uint16_t>(address >> 16),
                static_cast<uint32_t>(address >> 32), 0};
  }
  struct [[gnu::packed]] {
    uint16_t limit;
    uint64_t base;
  } pointer = {sizeof(gates) - 1, reinterpret_cast<uint64_t>(gates)};
  asm volatile("lidt %0" ::"m"(pointer));
}

// 8259 pair at vectors 0x20 and 0x28, only line 0 open; 8254 channel 0 as a rate generator.
void startTick() {
  out8(0x20, 0x11), out8(0xa0, 0x11);
  out8(0x21, 0x20), out8(0xa1, 0x28);
  out8(0x21, 4), out8(0xa1, 2);
  out8(0x21, 1), out8(0xa1, 1);
  out8(0x21, 0xfe), out8(0xa1, 0xff);
  constexpr unsigned kDivisor = 1193182 / kTicksPerSecond;
  out8(0x43, 0x34);
  out8(0x40, kDivisor & 0xff), out8(0x40, kDivisor >> 8);
}

void startApic() {
  writeAt<uint32_t>(kApic + 0x80, 0);       // take every priority
  writeAt<uint32_t>(kApic + 0xf0, 0x13f);   // on; spurious vector 0x3f
  writeAt<uint32_t>(kApic + 0x350, 0x700);  // LINT0 brings the 8259's
  writeAt<uint32_t>(kApic + 0x360, 0x400);
}

void awaitTicks(uint64_t count) {
  const uint64_t until = tickCount + count;
  while (tickCount < until) waitForInterrupt();
}

}  // namespace

void startInterrupts() {
  loadGates();
  startApic();
  startTick();
  awaitTicks(1);
  const uint64_t begin = timestamp();
  awaitTicks(5);
  cyclesPerTick = (timestamp() - begin) / 5;
}

uint64_t ticks() { return tickCount; }
uint64_t microseconds() { return timestamp() / (cyclesPerTick * kTicksPerSecond / 1000000); }

}  // namespace guest

// Called by the stubs. An exception ends the guest with what is known of it.
extern "C" void guestInterrupt(uint64_t vector, const uint64_t* frame) {
  using namespace guest;
  if (vector == 0x20) {
    tickCount = tickCount + 1;
    out8(0x20, 0x20);
  } else if (vector == kDiskVector) {
    writeAt<uint32_t>(kApic + 0xb0, 0);
  } else if (vector < 32) {
    print("exception ", vector, " at ");
    printHex(frame[0]);
    print(" ");
    printHex(frame[1]);
    print(": this guest is at its end\n");
    for (;;) asm volatile("cli; hlt");
  }
}
