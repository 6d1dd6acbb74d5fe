// Power: the button and the switch, as the machine's ACPI tables describe them (ACPI 6.4, 4.8.3).
#pragma once

#include "tests/guest/cpu.h"

namespace guest {

class Power {
 public:
  // `rsdp` is where the tables begin; 0, or tables that make no sense: there is no power control.
  void start(uint64_t rsdp);
  bool present() const { return control_ != 0; }
  bool buttonPressed();
  void off();

 private:
  uint16_t event_ = 0;
  uint16_t control_ = 0;
  uint16_t sleepType_ = 0;
};

}  // namespace guest
