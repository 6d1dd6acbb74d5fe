// Recipe: host code that computes the guest's present flags once more, from registers that still hold what they held.
// So flags need not be saved where something that changes the host's comes between them and who reads them.
#pragma once

#include "target/x86/t1/facts.h"

namespace rhea::x86::t1 {

struct Recipe {
  static constexpr std::size_t kMost = 40;

  std::array<std::uint8_t, kMost> bytes{};
  std::uint8_t size = 0;     // 0: there is none
  std::uint16_t inputs = 0;  // guest registers, a bit each

  explicit operator bool() const { return size != 0; }
  std::span<const std::uint8_t> code() const { return {bytes.data(), size}; }
  bool operator==(const Recipe&) const = default;
};

// For the flags that a copied instruction leaves, all of them; `before`: for those that it found. The code changes
// kTemp1 and, of the host's flags, all; it finds the guest's registers as they are behind the instruction.
Recipe recipeOf(const Insn& insn, const Facts& facts, const Recipe& before);

}  // namespace rhea::x86::t1
