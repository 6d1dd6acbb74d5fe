// Keys: what each key of a PC keyboard sends, by the names that send-key and displays use.
#pragma once

#include "emu/base/base.h"

namespace rhea::hw {

struct Key {
  std::string_view name;  // "ret", "a", "ctrl_r"
  std::uint8_t code = 0;  // of scan code set 2
  bool extended = false;  // with 0xe0 before it
};

std::span<const Key> keys();
// Null: there is none of that name.
const Key* findKey(std::string_view name);

// Set 2 to set 1, as the i8042 translates.
std::uint8_t translated(std::uint8_t code);

}  // namespace rhea::hw
