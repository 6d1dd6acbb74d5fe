// Recipe: host code that computes the guest's present flags once more, from registers that still hold what they held.
// So flags need not be saved where something that changes the host's comes between them and who reads them.
#pragma once

#include "target/x86/t1/facts.h"

namespace rhea::x86::t1 {

struct Recipe {
  static constexpr std::size_t kMost = 80;

  std::array<std::uint8_t, kMost> bytes{};
  std::uint8_t size = 0;     // 0: there is none
  std::uint16_t inputs = 0;  // guest registers, a bit each
  std::uint8_t kept = 0;     // of Area::kept, a bit each

  explicit operator bool() const { return size != 0; }
  std::span<const std::uint8_t> code() const { return {bytes.data(), size}; }
  bool operator==(const Recipe&) const = default;
};

// For the flags that a copied instruction leaves, all of them; `before`: for those that it found. The code changes
// kTemp1 and, of the host's flags, all; it finds the guest's registers as they are behind the instruction.
Recipe recipeOf(const Insn& insn, const Facts& facts, const Recipe& before);

// What is in Area::kept, by number, and where: displacements behind GS.
struct Keeper {
  unsigned number = 0;
  std::int32_t kept = 0;
  std::int32_t aside = 0;
};
// For an instruction of registers alone: the instruction itself, on what its target held before, which is kept. Its
// target's number if that has to be kept, as the instruction reads it.
Recipe recipeOfTarget(const Insn& insn, const Facts& facts, const Keeper& keeper, std::optional<std::uint8_t>& target);
// For an instruction that reads memory, with what it read kept. `onRegister`: the same with a register in its place,
// the guest's number kLoaded.
constexpr std::uint8_t kLoaded = 10;
Insn onRegister(const Insn& insn);
Recipe recipeOfOperand(const Insn& insn, const Facts& facts, const Keeper& keeper);
// The same as `recipe` where `guest`, an input, is kept. Empty: it would be too long.
Recipe withKept(const Recipe& recipe, std::uint8_t guest, const Keeper& keeper);

}  // namespace rhea::x86::t1
