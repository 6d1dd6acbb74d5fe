#include "tests/guest/power.h"

namespace guest {

namespace {

constexpr uint16_t kPowerButton = 1U << 8;

bool isTable(uint64_t table, const char* signature) {
  for (unsigned i = 0; i < 4; ++i) {
    if (readAt<char>(table + i) != signature[i]) return false;
  }
  return true;
}

uint64_t findTable(uint64_t rsdp, const char* signature) {
  const uint64_t root = readAt<uint32_t>(rsdp + 16);  // RSDT: 32-bit entries
  const uint32_t length = readAt<uint32_t>(root + 4);
  for (uint64_t entry = root + 36; entry + 4 <= root + length; entry += 4) {
    const uint64_t table = readAt<uint32_t>(entry);
    if (isTable(table, signature)) return table;
  }
  return 0;
}

// The number after `\_S5_`'s Package (ACPI 6.4, 20.2): name, PackageOp, length, count, then a byte or a prefixed byte.
uint16_t sleepTypeOf(uint64_t dsdt) {
  const uint32_t length = readAt<uint32_t>(dsdt + 4);
  for (uint64_t at = dsdt + 36; at + 9 <= dsdt + length; ++at) {
    if (!isTable(at, "_S5_") || readAt<uint8_t>(at + 4) != 0x12) continue;
    const uint64_t value = at + 5 + ((readAt<uint8_t>(at + 5) >> 6) + 1) + 1;
    return readAt<uint8_t>(value) == 0x0a ? readAt<uint8_t>(value + 1) : readAt<uint8_t>(value);
  }
  return 0;
}

}  // namespace

void Power::start(uint64_t rsdp) {
  if (rsdp == 0) return;
  const uint64_t fadt = findTable(rsdp, "FACP");
  if (fadt == 0) return;
  event_ = static_cast<uint16_t>(readAt<uint32_t>(fadt + 56));
  control_ = static_cast<uint16_t>(readAt<uint32_t>(fadt + 64));
  sleepType_ = sleepTypeOf(readAt<uint32_t>(fadt + 40));
  const uint16_t command = static_cast<uint16_t>(readAt<uint32_t>(fadt + 48));
  if (command != 0 && (in16(control_) & 1) == 0) out8(command, readAt<uint8_t>(fadt + 52));
  out16(static_cast<uint16_t>(event_ + 2), kPowerButton);
}

bool Power::buttonPressed() {
  if (event_ == 0 || (in16(event_) & kPowerButton) == 0) return false;
  out16(event_, kPowerButton);
  return true;
}

void Power::off() { out16(control_, static_cast<uint16_t>((sleepType_ << 10) | (1U << 13))); }

}  // namespace guest
