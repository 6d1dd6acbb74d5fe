// PCI: configuration space by ports 0xcf8 and 0xcfc, functions of bus 0, their memory put where this guest wants it.
#pragma once

#include "tests/guest/cpu.h"

namespace guest {

struct PciFunction {
  uint32_t address = 0;  // as for 0xcf8, register 0

  uint32_t read(unsigned offset) const;
  void write(unsigned offset, uint32_t value) const;
  uint8_t read8(unsigned offset) const { return static_cast<uint8_t>(read(offset & ~3U) >> ((offset & 3) * 8)); }
  // The first capability with `id` after the one at `after` (0: from the start); 0 where there is none.
  unsigned capability(uint8_t id, unsigned after = 0) const;
  // Where BAR `index` stands; it is placed at its first use.
  uint64_t memory(unsigned index);
  void enable() const;  // memory and bus master
};

// The first function with one of two device ids of a vendor, from device number `from` on.
bool findFunction(uint16_t vendor, uint16_t first, uint16_t second, PciFunction& found);

}  // namespace guest
