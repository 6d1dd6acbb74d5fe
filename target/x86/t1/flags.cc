// Where the guest's flags are while a block is translated, and how they get to where somebody needs them.
#include "target/x86/t1/translator.h"

namespace rhea::x86::t1 {

// To the state, for whoever leaves or looks there.
void Translator::saveFlags() {
  if (flags_ == Flags::kRepeatable) repeatFlags();
  if (flags_ != Flags::kHost) return;
  emitFlagsToState(e_);
  flags_ = Flags::kBoth;
}

// Before the host's are lost. What can be repeated is not saved: that is for the cold code, where somebody may look.
void Translator::keepFlags() {
  if (!recipe_) saveFlags();
}

// Into the host's register.
void Translator::needFlags(std::uint8_t temporary) {
  if (flags_ == Flags::kRepeatable || (flags_ == Flags::kState && recipe_)) return repeatFlags();
  if (flags_ != Flags::kState) return;
  e_.move(temporary, kHostRax);
  emitFlagsFromState(e_);
  e_.move(kHostRax, temporary);
  flags_ = Flags::kBoth;
}

// The host's flags are lost, after keepFlags().
void Translator::loseFlags() {
  const bool saved = flags_ == Flags::kState || flags_ == Flags::kBoth;
  flags_ = saved ? Flags::kState : Flags::kRepeatable;
}

void Translator::repeatFlags() {
  for (const std::uint8_t byte : recipe_.code()) e_.byte(byte);
  flags_ = flags_ == Flags::kState ? Flags::kBoth : Flags::kHost;
}

// In cold code, where flags that can be repeated are not in the state: puts them there. Leaves kTemp0 and kTemp2.
void Translator::repeatCold(std::size_t recipe) {
  if (recipe == kNoRecipe) return;
  for (const std::uint8_t byte : recipes_[recipe].code()) e_.byte(byte);
  emitFlagsToState(e_, kTemp1);
}

// What cold code that is left for now, without the host's flags, has to repeat.
std::size_t Translator::coldRecipe() {
  if (flags_ == Flags::kState || flags_ == Flags::kBoth) return kNoRecipe;
  if (!recipe_) std::abort();
  if (recipes_.empty() || !(recipes_.back() == recipe_)) recipes_.push_back(recipe_);
  return recipes_.size() - 1;
}

// Before the guest's registers change, at a place where the code may still use kTemp1.
void Translator::changes(unsigned registers) {
  if ((recipe_.inputs & registers) == 0) return;
  if (flags_ == Flags::kRepeatable) repeatFlags();
  recipe_ = {};
}

// For a copy that leaves the flags and changes what their recipe needs: keeps that, if somebody may want the recipe
// behind it, and answers with the recipe for then. It stands before the operand's probe, as T0 may do all behind that.
Recipe Translator::keepInputs(unsigned registers, const Fate& fate) {
  unsigned changed = recipe_.inputs & registers;
  const bool saved = flags_ == Flags::kState || flags_ == Flags::kBoth;
  if (changed == 0 || saved || fate.lost || !isWanted(fate)) return {};
  Recipe kept = recipe_;
  std::array<std::uint8_t, Area::kKept> guests{};
  unsigned fresh = 0;
  for (; changed != 0; changed &= changed - 1) {
    const auto guest = static_cast<std::uint8_t>(std::countr_zero(changed));
    const auto number = static_cast<unsigned>(std::countr_one(kept.kept));
    if (number >= Area::kKept) return {};
    kept = withKept(kept, guest, keeper(number));
    if (!kept) return {};
    guests[number] = guest;
    fresh |= 1U << number;
  }
  for (; fresh != 0; fresh &= fresh - 1) {
    const auto number = static_cast<unsigned>(std::countr_zero(fresh));
    e_.store(Mem::state(keeper(number).kept), guestIn(guests[number], kTemp1));
  }
  return kept;
}

// ... and before the registers change.
void Translator::copyChanges(unsigned registers, const Fate& fate, const Recipe& kept) {
  if ((recipe_.inputs & registers) == 0) return;
  if (fate.lost) {
    if (flags_ == Flags::kRepeatable) flags_ = Flags::kHost;
    recipe_ = {};
    return;
  }
  if (!kept) return changes(registers);
  if (flags_ == Flags::kRepeatable && fate.read) repeatFlags();
  recipe_ = kept;
}

Keeper Translator::keeper(unsigned number) const {
  return {number, area(&cpu_.area.kept[number]), area(&cpu_.area.aside[number])};
}

// What becomes of all flags from there on.
Translator::Fate Translator::fateFrom(unsigned first) const {
  Fate fate;
  std::uint64_t flags = kArithmeticFlags;
  for (unsigned n = first; n < block_.count; ++n) {
    const Insn& insn = block_.insns[n];
    const Facts& facts = facts_[n];
    if (!copies_[n]) {
      const Pattern& p = rows()[insn.row].pattern;
      const bool conditional = (p.map == 0 && ((p.opcode & 0xf0) == 0x70 || (p.opcode & 0xfe) == 0xe0)) ||
                               (p.map == 1 && (p.opcode & 0xf0) == 0x80);
      fate.ended = n + 1U == block_.count;
      fate.read = fate.read || conditional;
      fate.probed = !fate.ended;
      return fate;
    }
    const bool shortLea = facts.addressOnly && insn.operandBytes() == 2;  // is T0's
    fate.probed = facts.memory != Facts::kNone || shortLea || mayRaise(facts);
    if (fate.probed) return fate;
    fate.read = fate.read || (facts.flagsRead & flags) != 0;
    flags &= ~std::uint64_t{facts.flagsWritten};
    if (flags == 0) {
      fate.lost = !fate.read;
      return fate;
    }
  }
  fate.ended = true;
  return fate;
}

// Whether the guest's flags must be in the host's before a copy: because it reads them, or because it may leave some of
// them as they were and somebody could see those.
bool Translator::needsFlags(const Insn& insn, const Facts& facts) const {
  const std::uint64_t read = rows()[insn.row].flagsRead & kArithmeticFlags;
  if (read != 0) return true;
  std::uint64_t kept = facts.flagsRead & kArithmeticFlags;
  if (facts.flagsWritten != 0) kept |= kArithmeticFlags & ~std::uint64_t{facts.flagsWritten};
  return kept != 0 && !areLostFrom(index_ + 1, kept);
}

// Whether the instructions from there on overwrite these flags before it reads them, faults or leaves the block.
bool Translator::areLostFrom(unsigned first, std::uint64_t flags) const {
  for (unsigned n = first; n < block_.count && copies_[n]; ++n) {
    const Facts& facts = facts_[n];
    const bool shortLea = facts.addressOnly && block_.insns[n].operandBytes() == 2;  // is T0's
    if (facts.memory != Facts::kNone || shortLea || mayRaise(facts) || (facts.flagsRead & flags) != 0) return false;
    flags &= ~std::uint64_t{facts.flagsWritten};
    if (flags == 0) return true;
  }
  return false;
}

}  // namespace rhea::x86::t1
