// AcpiTables: all that ACPI tells the guest of a q35 board, as one image in the BIOS area. Source: ACPI 6.4, chapter 5.
#pragma once

#include "emu/base/base.h"
#include "hw/acpi/aml.h"
#include "hw/acpi/layout.h"

namespace rhea::hw {

// Inputs of the 8259s that PCI's lines 0 to 3 are wired to besides their own of the IO-APIC, for guests booted without
// it.
constexpr std::array<unsigned, 4> kPciPicLines = {10, 11, 10, 11};

struct AcpiTables {
  static constexpr std::uint64_t kBase = Layout::kBiosBase;

  std::vector<std::uint8_t> image;  // to be at kBase; RSDP first
  std::uint64_t rsdp() const { return kBase; }
};

// What the DSDT has besides what every board has.
struct AcpiParts {
  bool serialPorts[2] = {true, false};  // COM1, COM2
  std::optional<std::uint16_t> panicPort;
};

// Error: they do not fit (thousands of CPUs).
Result<AcpiTables> makeAcpiTables(const Layout& layout, const AcpiParts& parts);

// The DSDT's byte code, without the table's header.
aml::Bytes makeDsdt(const Layout& layout, const AcpiParts& parts);

}  // namespace rhea::hw
