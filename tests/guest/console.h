// The console: COM1, written to as it takes characters, read by polling.
#pragma once

#include "tests/guest/cpu.h"

namespace guest {

void startConsole();
void print(const char* text);
void print(uint64_t number);
void printHex(uint64_t number);
// The next key, 0 where none was pressed.
char pressedKey();

// print("wrote ", 3, " blocks\n")
template <class First, class Second, class... Rest>
void print(First first, Second second, Rest... rest) {
  print(first);
  print(second, rest...);
}

}  // namespace guest
