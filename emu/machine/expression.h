// Expressions as people type them to the monitor: numbers, registers, the usual operators of whole numbers.
//
//   expression := sum (("&" | "|" | "^") sum)*     sum := product (("+" | "-") product)*
//   product := unary (("*" | "/" | "%") unary)*    unary := ("-" | "+" | "~") unary | number | 'c' | $register | (...)
#pragma once

#include "emu/base/base.h"

namespace rhea::machine {

using Registers = std::map<std::string, std::uint64_t, std::less<>>;

// Wraps around at 2^64, as addresses do. Errors: what was expected where; an unknown register with the nearest names.
Result<std::uint64_t> evaluate(std::string_view text, const Registers& registers);

}  // namespace rhea::machine
