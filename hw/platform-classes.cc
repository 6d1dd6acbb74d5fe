#include "hw/platform-classes.h"

namespace rhea::hw {

namespace {

struct Row {
  std::string_view name;
  std::string_view doc;
};

constexpr Row kRows[] = {
    {"acpi-pm", "ACPI's fixed registers: power button, sleep control, timer"},
    {"apic", "local interrupt controller of a CPU"},
    {"hpet", "high precision event timer"},
    {"i8042", "keyboard controller with a keyboard and a mouse"},
    {"ioapic", "I/O interrupt controller"},
    {"isa-i8259", "the pair of 8259 interrupt controllers"},
    {"isa-pit", "8254 interval timer"},
    {"mc146818rtc", "real-time clock with CMOS memory"},
    {"serial", "16550A serial port of the board"},
};

}  // namespace

void addPlatformClasses(object::ClassTable& classes) {
  for (const Row& row : kRows) {
    object::Class type;
    type.name = row.name;
    type.parent = "device";
    type.doc = row.doc;
    classes.add(std::move(type));
  }
}

}  // namespace rhea::hw
