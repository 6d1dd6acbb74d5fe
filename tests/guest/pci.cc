#include "tests/guest/pci.h"

namespace guest {

namespace {

// Below the I/O APIC, above what RAM a small machine has; without firmware nobody else has put anything there.
uint64_t nextMemory = 0xc0000000;

}  // namespace

uint32_t PciFunction::read(unsigned offset) const {
  out32(0xcf8, address | offset);
  return in32(0xcfc);
}

void PciFunction::write(unsigned offset, uint32_t value) const {
  out32(0xcf8, address | offset);
  out32(0xcfc, value);
}

unsigned PciFunction::capability(uint8_t id, unsigned after) const {
  unsigned at = read8(after == 0 ? 0x34 : after + 1) & 0xfcU;
  for (int limit = 48; at != 0 && limit > 0; --limit) {
    if (read8(at) == id) return at;
    at = read8(at + 1) & 0xfcU;
  }
  return 0;
}

uint64_t PciFunction::memory(unsigned index) {
  const unsigned offset = 0x10 + 4 * index;
  const uint32_t now = read(offset);
  if ((now & ~15U) >= 0xc0000000 && (now & ~15U) < nextMemory) return now & ~15U;
  const bool wide = (now & 6) == 4;
  write(offset, ~0U);
  const uint64_t size = ~(read(offset) & ~15U) + 1U;
  nextMemory = (nextMemory + size - 1) & ~(size - 1);
  write(offset, static_cast<uint32_t>(nextMemory));
  if (wide) write(offset + 4, 0);
  const uint64_t at = nextMemory;
  nextMemory += size < 4096 ? 4096 : size;
  return at;
}

void PciFunction::enable() const { write(4, (read(4) & 0xffff) | 6); }

bool findFunction(uint16_t vendor, uint16_t first, uint16_t second, PciFunction& found) {
  for (uint32_t slot = 0; slot < 32; ++slot) {
    const PciFunction function{0x80000000 | (slot << 11)};
    const uint32_t id = function.read(0);
    if ((id & 0xffff) != vendor || ((id >> 16) != first && (id >> 16) != second)) continue;
    found = function;
    return true;
  }
  return false;
}

}  // namespace guest
