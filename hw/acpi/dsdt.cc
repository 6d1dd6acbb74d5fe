// The DSDT: host bridge, interrupt routing, and the ISA devices that a guest cannot find by itself.
#include "hw/acpi/power-management.h"
#include "hw/acpi/tables.h"
#include "hw/timer/hpet.h"

namespace rhea::hw {

namespace {

using namespace aml;

constexpr unsigned kSlots = 32, kPins = 4;
// To the IO-APIC, and, for a guest that leaves that alone, to the 8259s.
constexpr std::array<unsigned, kPins> kIoApicLines = {16, 17, 18, 19};

// Pin p of device d is line (d + p) mod 4; `lines` says which interrupts lines 0 to 3 are.
Bytes routing(std::span<const unsigned, kPins> lines) {
  Parts entries;
  for (unsigned slot = 0; slot < kSlots; ++slot) {
    for (unsigned pin = 0; pin < kPins; ++pin) {
      entries.push_back(package({integer(std::uint64_t{slot} << 16 | 0xffff), integer(pin), integer(0),
                                 integer(lines[(slot + pin) % kPins])}));
    }
  }
  return package(entries);
}

// The guest asks for PCIe features (PCI Firmware 3.2, 4.5.1): it gets native hot-plug, PME and the capability
// structure.
Bytes operatingSystemCapabilities() {
  constexpr std::uint64_t kGranted = 0x15, kUnknownRevision = 8, kMasked = 0x10, kUnknownUuid = 4;
  const Bytes status = path("CDW1"), control = path("CDW3");
  return method(
      "_OSC", 4,
      {dwordField(argument(3), 0, "CDW1"),
       when(equal(argument(0), uuid("33db4d5b-1ff7-401c-9657-7441c03dd766")),
            {dwordField(argument(3), 8, "CDW3"), bitAnd(control, integer(kGranted), local(0)),
             when(different(argument(1), integer(1)), {bitOr(status, integer(kUnknownRevision), status)}),
             when(different(control, local(0)), {bitOr(status, integer(kMasked), status)}), store(local(0), control)}),
       otherwise({bitOr(status, integer(kUnknownUuid), status)}), give(argument(3))});
}

Bytes hostBridge(const Layout& layout, const Parts& isa) {
  Parts windows = {busNumbers(0, 0xff), io(0xcf8, 8), ioWindow(0, 0xcf7), ioWindow(0xd00, 0xffff),
                   memoryWindow(0xa0000, 0xbffff, false)};
  // The ECAM window lies between low memory and the upper window.
  if (layout.lowEnd < layout.ecamBase) windows.push_back(memoryWindow(layout.lowEnd, layout.ecamBase - 1, false));
  windows.push_back(memoryWindow(layout.ecamBase + layout.ecamSize, Layout::kWindowEnd - 1, false));
  windows.push_back(memoryWindow(layout.highWindowBase(), layout.highWindowBase() + Layout::kHighWindowSize - 1, true));
  return device("PCI0", {named("_HID", eisaId("PNP0A08")), named("_CID", eisaId("PNP0A03")), named("_UID", integer(0)),
                         named("_SEG", integer(0)), named("_BBN", integer(0)), named("_CRS", resources(windows)),
                         named("PRTA", routing(kIoApicLines)), named("PRTP", routing(kPciPicLines)),
                         method("_PRT", 0, {when(path("\\PICM"), {give(path("PRTA"))}), give(path("PRTP"))}),
                         operatingSystemCapabilities(), device("ISA", [&isa] {
                           Parts content = {named("_ADR", integer(0x1f0000))};
                           content.insert(content.end(), isa.begin(), isa.end());
                           return content;
                         }())});
}

Bytes isaDevice(std::string_view name, std::string_view id, const Parts& what) {
  return device(name, {named("_HID", eisaId(id)), named("_STA", integer(0xf)), named("_CRS", resources(what))});
}

Bytes serialPort(unsigned number) {
  constexpr std::uint16_t kPorts[] = {0x3f8, 0x2f8};
  return device(fmt::format("COM{}", number + 1),
                {named("_HID", eisaId("PNP0501")), named("_UID", integer(number + 1)), named("_STA", integer(0xf)),
                 named("_CRS", resources({io(kPorts[number], 8), irq(number == 0 ? 4 : 3)}))});
}

}  // namespace

Bytes makeDsdt(const Layout& layout, const AcpiParts& parts) {
  Parts isa = {isaDevice("RTC", "PNP0B00", {io(0x70, 2), irq(8)}),
               isaDevice("KBD", "PNP0303", {io(0x60, 1), io(0x64, 1), irq(1)}), isaDevice("MOU", "PNP0F13", {irq(12)}),
               isaDevice("TMR", "PNP0100", {io(0x40, 4), irq(0)})};
  for (unsigned n = 0; n < 2; ++n) {
    if (parts.serialPorts[n]) isa.push_back(serialPort(n));
  }
  if (parts.panicPort) {
    isa.push_back(device("PEVT", {named("_HID", text("QEMU0001")), named("_STA", integer(0xf)),
                                  named("_CRS", resources({io(*parts.panicPort, 1)}))}));
  }
  // The ECAM window is the board's own: a guest trusts MCFG only where a device or the memory map says so.
  const Bytes reserved =
      device("MRES", {named("_HID", eisaId("PNP0C02")),
                      named("_CRS", resources({memory32(static_cast<std::uint32_t>(layout.ecamBase),
                                                        static_cast<std::uint32_t>(layout.ecamSize)),
                                               io(PowerManagement::kBase, PowerManagement::kSize)}))});
  const Bytes hpet = device("HPET", {named("_HID", eisaId("PNP0103")), named("_UID", integer(0)),
                                     named("_CRS", resources({memory32(Hpet::kBase, Hpet::kSize)}))});
  const Bytes system = scope("\\_SB", {hostBridge(layout, isa), reserved, hpet});
  const Bytes off =
      named("\\_S5", package({integer(PowerManagement::kSleepTypeOff), integer(0), integer(0), integer(0)}));
  // Ahead of the rest: small guests look for these bytes without a parser.
  Bytes all = off;
  // The guest says which interrupt controllers it uses: 1 for IO-APICs.
  const Bytes mode = named("PICM", integer(0));
  const Bytes choice = method("_PIC", 1, {store(argument(0), path("PICM"))});
  all.insert(all.end(), mode.begin(), mode.end());
  all.insert(all.end(), choice.begin(), choice.end());
  all.insert(all.end(), system.begin(), system.end());
  return all;
}

}  // namespace rhea::hw
