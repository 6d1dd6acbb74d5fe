#include "tests/guest/console.h"

namespace guest {

namespace {

constexpr uint16_t kPort = 0x3f8;  // 16550: data, interrupt enable, fifo, line control, modem control, line status

void put(char c) {
  while ((in8(kPort + 5) & 0x20) == 0) {
  }
  out8(kPort, static_cast<uint8_t>(c));
}

}  // namespace

void startConsole() {
  out8(kPort + 1, 0);     // no interrupts
  out8(kPort + 3, 0x80);  // divisor
  out8(kPort + 0, 1);     // 115200
  out8(kPort + 1, 0);
  out8(kPort + 3, 3);  // 8 bits, no parity
  out8(kPort + 2, 7);  // FIFOs on and empty
  out8(kPort + 4, 3);
}

void print(const char* text) {
  for (; *text != 0; ++text) {
    if (*text == '\n') put('\r');
    put(*text);
  }
}

void print(uint64_t number) {
  char digits[21];
  char* next = digits + 20;
  *next = 0;
  do {
    *--next = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  print(next);
}

void printHex(uint64_t number) {
  print("0x");
  int shift = 60;
  while (shift > 0 && (number >> shift) == 0) shift -= 4;
  for (; shift >= 0; shift -= 4) put("0123456789abcdef"[(number >> shift) & 15]);
}

char pressedKey() { return (in8(kPort + 5) & 1) != 0 ? static_cast<char>(in8(kPort)) : '\0'; }

}  // namespace guest
