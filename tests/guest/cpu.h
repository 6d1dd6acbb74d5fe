// The few instructions that C++ has no words for. The guest has no library: these headers are all that there is.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace guest {

inline void out8(uint16_t port, uint8_t value) { asm volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }
inline void out16(uint16_t port, uint16_t value) { asm volatile("outw %0, %1" ::"a"(value), "Nd"(port)); }
inline void out32(uint16_t port, uint32_t value) { asm volatile("outl %0, %1" ::"a"(value), "Nd"(port)); }
inline uint8_t in8(uint16_t port) {
  uint8_t value;
  asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
inline uint16_t in16(uint16_t port) {
  uint16_t value;
  asm volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
inline uint32_t in32(uint16_t port) {
  uint32_t value;
  asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
inline uint64_t timestamp() {
  uint32_t low, high;
  asm volatile("rdtsc" : "=a"(low), "=d"(high));
  return (uint64_t{high} << 32) | low;
}
inline void barrier() { asm volatile("mfence" ::: "memory"); }
// Sleeps until an interrupt has been served; enter with interrupts off, leave with them off.
inline void waitForInterrupt() { asm volatile("sti; hlt; cli" ::: "memory"); }

template <class T>
T readAt(uint64_t address) {
  return *reinterpret_cast<volatile T*>(address);
}
template <class T>
void writeAt(uint64_t address, T value) {
  *reinterpret_cast<volatile T*>(address) = value;
}

}  // namespace guest
