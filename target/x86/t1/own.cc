// The instructions that are not copied: control flow, the stack, lea, division.
#include "target/x86/t1/translator.h"

namespace rhea::x86::t1 {

// false: not one of them, or not in this form.
bool Translator::own(const Insn& insn) {
  const Row& row = rows()[insn.row];
  const Pattern& p = row.pattern;
  if (!wide_ && insn.memory() && !isReachable(insn, factsOf(insn))) return false;
  if (p.map == 1 && (p.opcode & 0xf0) == 0x80 && canonicalTarget(insn)) {
    jumpConditional(insn, p.opcode & 0xf);
    return true;
  }
  if (system(insn) || stack(insn)) return true;
  if (facts_[index_].vector && clearsVectors(insn)) {
    clearVectors(insn);
    return true;
  }
  if (changesVectorControl(insn)) return vectorControl(insn);
  if (chosen_[index_]) return chosenLanes(insn);
  if (p.map != 0) return false;
  const bool natural = isNatural(insn);
  switch (p.opcode) {
    case 0xa0:
    case 0xa1:
    case 0xa2:
    case 0xa3:
      moveOffset(insn);
      return true;
    case 0xa4:
    case 0xa5:
    case 0xa6:
    case 0xa7:
    case 0xaa:
    case 0xab:
    case 0xac:
    case 0xad:
    case 0xae:
    case 0xaf:
      return string(insn);
    case 0xd9:
      if (changesEnvironment(insn)) return environment(insn);
      if (!loadsControlWord(insn) || !native_->x87) return false;
      loadControlWord(insn);
      return true;
    case 0xdb:
      if (!initialisesX87(insn)) return false;
      initialiseX87();
      return true;
    case 0x50:
      if (natural) push(insn.rm / 8);
      return natural;
    case 0x58:
      if (natural) pop(insn.rm / 8);
      return natural;
    case 0x68:
    case 0x6a:
      if (natural) pushConstant(insn.imm);
      return natural;
    case 0x8d:
      if (insn.operandBytes() == 2) return false;
      leaCopy(insn);
      return true;
    case 0xc9:
      if (natural) leave();
      return natural;
    case 0xc2:
      if (natural) returnNear(static_cast<std::uint32_t>(insn.imm));
      return natural;
    case 0xc3:
      if (natural) returnNear(0);
      return natural;
    case 0xd7:
      if (insn.addressBytes() != word_ || insn.segment() >= kFs || (!wide_ && insn.segment() == kCs)) return false;
      translateByte();
      return true;
    case 0xe0:
    case 0xe1:
    case 0xe2:
    case 0xe3:
      if (insn.addressBytes() != word_ || !canonicalTarget(insn)) return false;
      jumpCounter(insn, p.opcode);
      return true;
    case 0xe8:
      if (!canonicalTarget(insn)) return false;
      call(insn);
      return true;
    case 0xe9:
    case 0xeb:
      if (!canonicalTarget(insn)) return false;
      jumpDirect(targetOf(insn));
      return true;
    case 0xff:
      if (p.reg == 6 && natural && insn.memory()) {
        pushMemory(insn);
        return true;
      }
      if (p.reg != 2 && p.reg != 4) return false;
      jumpIndirect(insn, p.reg == 2);
      return true;
    case 0xf6:
    case 0xf7:
      if (p.reg < 6) return false;
      insn.operandBytes() < 4 ? divideNarrow(insn, p.reg == 7) : divide(insn, p.reg == 7);
      return true;
    default:
      if ((p.opcode & 0xf0) != 0x70 || !canonicalTarget(insn)) return false;
      jumpConditional(insn, p.opcode & 0xf);
      return true;
  }
}

// Between the accumulator and memory at an address that is part of the instruction.
void Translator::moveOffset(const Insn& insn) {
  const bool store = (rows()[insn.row].pattern.opcode & 2) != 0;
  const unsigned bytes = insn.operandBytes();
  keepFlags();
  const auto offset = static_cast<std::uint64_t>(insn.imm);
  e_.constant(kTemp0, insn.addressBytes() == 4 ? offset & 0xffffffff : offset);
  if (insn.segment() >= kFs) addSegment(insn, kTemp0, offset);
  probe({bytes, store});
  if (!store) changes(1U << kRax);
  if (bytes == 2) e_.byte(0x66);
  const unsigned opcode = store ? kOpMovStore : kOpMovLoad;
  e_.op(bytes == 1 ? opcode - 1 : opcode, kHostRax, Mem::at(kTemp0), bytes == 8);
}

// In 32-bit code the eight registers that it has: vmovaps xmm, xmm or vxorps xmm, xmm, xmm for each.
void Translator::clearVectors(const Insn& insn) {
  for (unsigned n = 0; n < 8; ++n)
    e_.bytes({0xc5, insn.vexL() ? 0x80U | (~n & 15) << 3 : 0xf8U, insn.vexL() ? 0x57U : 0x28U, 0xc0 | n << 3 | n});
}

void Translator::leaCopy(const Insn& insn) {
  const auto guest = static_cast<std::uint8_t>(insn.reg / 8);
  const bool wide = insn.operandBytes() == 8 && insn.addressBytes() == 8;
  const Fate fate = (recipe_.inputs >> guest & 1) != 0 ? fateFrom(index_ + 1) : Fate();
  copyChanges(1U << guest, fate, keepInputs(1U << guest, fate));
  const std::uint8_t to = isDisplaced(guest) ? kTemp0 : guest;
  if (insn.base == kRipRegister || (insn.base >= 16 && insn.index >= 16)) {
    std::uint64_t address = static_cast<std::uint64_t>(static_cast<std::int64_t>(insn.disp));
    if (insn.base == kRipRegister) address += rip_ + ((insn.scale & 0x80) != 0 ? insn.end : 0U);
    e_.constant(to, wide ? address : address & 0xffffffff);
  } else {
    Mem mem;
    mem.disp = insn.disp;
    if (insn.base < 16) mem.base = guestIn(insn.base, kTemp0);
    if (insn.index < 16) {
      mem.index = guestIn(insn.index, kTemp1);
      mem.scale = insn.scale & 3;
    }
    e_.op(kOpLea, to, mem, wide);
  }
  if (isDisplaced(guest)) e_.store(Mem::state(gprOffset(guest)), to);
}

void Translator::probePush() {
  e_.op(kOpLea, kTemp0, Mem::at(kHostRsp, -static_cast<std::int32_t>(word_)), wide_);
  probe({.bytes = word_, .write = true, .stack = true});
  changes(1U << kRsp);
}

void Translator::push(std::uint8_t guest) {
  keepFlags();
  probePush();
  storeWord(Mem::at(kTemp0), guestIn(guest, kTemp1));
  claimWord();
}

void Translator::pushMemory(const Insn& insn) {
  keepFlags();
  loadAddress(insn);
  probe({word_, false});
  loadWord(kTemp1, Mem::at(kTemp0));
  const Mem kept = Mem::state(area(&cpu_.area.target));
  e_.store(kept, kTemp1);
  probePush();
  e_.load(kTemp1, kept);
  storeWord(Mem::at(kTemp0), kTemp1);
  claimWord();
}

void Translator::pushConstant(std::int64_t value) {
  keepFlags();
  probePush();
  e_.op(0xc7, 0, Mem::at(kTemp0), wide_);
  e_.dword(static_cast<std::uint32_t>(value));
  claimWord();
}

void Translator::pop(std::uint8_t guest) {
  keepFlags();
  moveWord(kTemp0, kHostRsp);
  probe({.bytes = word_, .write = false, .stack = true});
  changes(1U << guest | 1U << kRsp);
  const std::uint8_t to = isDisplaced(guest) ? kTemp0 : guest;
  loadWord(to, Mem::at(kTemp0));
  if (isDisplaced(guest)) e_.store(Mem::state(gprOffset(guest)), to);
  if (guest != kRsp) moveStack(static_cast<std::int32_t>(word_));
}

void Translator::leave() {
  keepFlags();
  moveWord(kTemp0, kHostRbp);
  probe({.bytes = word_, .write = false, .stack = true});
  changes(1U << kRbp | 1U << kRsp);
  e_.op(kOpLea, kHostRsp, Mem::at(kHostRbp, static_cast<std::int32_t>(word_)), wide_);
  loadWord(kHostRbp, Mem::at(kTemp0));
}

// A quotient that may not fit is T0's, which raises the exception.
void Translator::divide(const Insn& insn, bool isSigned) {
  keepFlags();
  const bool wide = insn.operandBytes() == 8;
  std::uint8_t by = kTemp1;
  if (insn.memory()) {
    loadAddress(insn);
    probe({insn.operandBytes(), false});
    e_.op(kOpMovLoad, kTemp1, Mem::at(kTemp0), wide);
  } else {
    by = guestIn(insn.rm / 8, kTemp1);
  }
  if (!isSigned) {
    e_.op(kOpCmp, kHostRdx, by, wide);  // fits exactly when the high half is below the divisor
    coldStep(e_.jumpIf(3));
  } else {
    // The high half is only the sign, and the divisor neither 0 nor -1.
    e_.op(kOpMovLoad, kTemp0, kHostRax, wide);
    e_.shift(7, kTemp0, wide ? 63 : 31, wide);
    e_.op(kOpCmp, kTemp0, kHostRdx, wide);
    coldStep(e_.jumpIf(5));
    e_.op(kOpLea, kTemp0, Mem::at(by, 1), wide);
    e_.arith(7, kTemp0, 1, wide);
    coldStep(e_.jumpIf(6));
  }
  e_.op(0x39, kHostRax, kHostRax, false);  // as the interpreter does: a division may leave the flags
  e_.op(0xf7, isSigned ? 7 : 6, by, wide);
  flags_ = Flags::kHost;
  recipe_ = {};
}

// The same of 8 and 16 bits, where the dividend fits in a register. Magnitudes: T0 sees to the quotient that is one
// more than the largest, too.
void Translator::divideNarrow(const Insn& insn, bool isSigned) {
  keepFlags();
  const unsigned bytes = insn.operandBytes();
  const unsigned extend = (isSigned ? 0xfbeU : 0xfb6U) | (bytes == 1 ? 0U : 1U);
  if (insn.memory()) {
    loadAddress(insn);
    probe({bytes, false});
    e_.op(extend, kTemp1, Mem::at(kTemp0), false);
  } else {
    const std::uint8_t by = guestIn(insn.rm / 8, kTemp1);
    if (bytes == 1 && isHighByte(insn.rm)) {
      e_.op(kOpMovLoad, kTemp1, by, false);
      e_.shift(5, kTemp1, 8, false);
      e_.op(extend, kTemp1, kTemp1, false);
    } else {
      e_.op(extend, kTemp1, by, false);
    }
  }
  if (!isSigned) {
    e_.op(kOpMovzxWord, kTemp0, bytes == 1 ? kHostRax : kHostRdx, false);
    if (bytes == 1) e_.shift(5, kTemp0, 8, false);
    e_.op(kOpCmp, kTemp0, kTemp1, false);
  } else {
    const auto magnitude = [this](std::uint8_t to, std::uint8_t of) {
      e_.op(kOpMovLoad, to, of, false);
      e_.op(0xf7, 3, to, false);    // neg
      e_.op(0xf48, to, of, false);  // cmovs
    };
    if (bytes == 1) {
      e_.op(0xfbf, kTemp0, kHostRax, false);  // movsx
    } else {
      e_.op(kOpMovLoad, kTemp0, kHostRdx, false);
      e_.shift(4, kTemp0, 16, false);
      e_.op(kOpMovzxWord, kTemp2, kHostRax, false);
      e_.op(0x0b, kTemp0, kTemp2, false);  // or
    }
    magnitude(kTemp2, kTemp0);
    e_.shift(5, kTemp2, bytes * 8 - 1, false);
    magnitude(kTemp0, kTemp1);
    e_.op(kOpCmp, kTemp2, kTemp0, false);
  }
  coldStep(e_.jumpIf(3));
  e_.op(0x39, kHostRax, kHostRax, false);
  if (bytes == 2) e_.byte(0x66);
  e_.op(bytes == 1 ? 0xf6 : 0xf7, isSigned ? 7 : 6, kTemp1, false);
  flags_ = Flags::kHost;
  recipe_ = {};
}

// xlat.
void Translator::translateByte() {
  keepFlags();
  e_.op(kOpMovzxByte, kTemp0, kHostRax, false);
  Mem place = Mem::at(kTemp0);
  place.index = kHostRbx;
  e_.op(kOpLea, kTemp0, place, wide_);
  probe({1, false});
  changes(1U << kRax);
  e_.op(kOpMovLoad - 1, kHostRax, Mem::at(kTemp0), false);
}

// A block that begins at a page's very end may reach into the next one, whose place can change: it is looked up.
bool Translator::isLinked(std::uint64_t target, std::uint64_t rip) {
  return (target ^ rip) >> 12 == 0 && (target & 0xfff) <= 0x1000 - kLongestInsn;
}

// `place`: the distance of a jump that goes there once it is known where.
void Translator::linkTo(std::uint32_t place, std::uint64_t target) {
  const bool inState = flags_ == Flags::kState || flags_ == Flags::kBoth;
  const bool asAtEntry = inState ? entryFlags_.inState() : recipe_ && recipe_ == entryFlags_.recipe;
  if (loopsItself_ && target == rip_ && asAtEntry) return e_.patch(place, loopEntry_);
  const std::uint32_t site = newSite(index_);
  engine_.siteAt(site).where = place;
  engine_.siteAt(site).distance = static_cast<std::int32_t>(target - nextRip(block_.insns[index_]));
  if (inState) {
    cold_.push_back({Cold::kLink, place, site});
    return;
  }
  engine_.siteAt(site).edge = engine_.addEdge({!recipe_, recipe_});
  cold_.push_back({Cold::kEdge, place, site, 0, flags_ == Flags::kHost ? kNoRecipe : coldRecipe()});
}

// Who goes back looks at requests, and under -icount everybody does, which changes the host's flags.
bool Translator::keepsFlagsTo(std::uint64_t target) const {
  return isLinked(target) && (recipe_ || (target > rip_ && !cpu_.counts()));
}

void Translator::jumpDirect(std::uint64_t target) {
  ended_ = true;
  if (!keepsFlagsTo(target)) saveFlags();
  linkTo(e_.jump(), target);
}

void Translator::jumpConditional(const Insn& insn, unsigned condition) {
  needFlags();
  if (!keepsFlagsTo(targetOf(insn))) saveFlags();
  jumpEither(insn, condition);
}

void Translator::jumpEither(const Insn& insn, unsigned condition) {
  linkTo(e_.jumpIf(condition), targetOf(insn));
  jumpDirect(nextRip(insn));
}

// loop, loope, loopne and jrcxz, whose counter is RCX: the host's own lead over a short distance.
void Translator::jumpCounter(const Insn& insn, unsigned opcode) {
  if (opcode < 0xe2) {
    needFlags();
    saveFlags();
    recipe_ = {};
    e_.op(kOpLea, kHostRcx, Mem::at(kHostRcx, -1), wide_);
    e_.bytes({0xe3, 6});  // jrcxz: over the jump
    return jumpEither(insn, opcode == 0xe1 ? 4 : 5);
  }
  saveFlags();
  if (opcode == 0xe2) e_.op(kOpLea, kHostRcx, Mem::at(kHostRcx, -1), wide_);
  e_.op(kOpTest, kHostRcx, kHostRcx, wide_);
  flags_ = Flags::kState;
  recipe_ = {};
  jumpEither(insn, opcode == 0xe2 ? 5 : 4);
}

void Translator::call(const Insn& insn) {
  keepFlags();
  probePush();
  const std::uint64_t back = nextRip(insn);
  if (!wide_ || static_cast<std::int64_t>(back) == static_cast<std::int32_t>(back)) {
    e_.op(0xc7, 0, Mem::at(kTemp0), wide_);
    e_.dword(static_cast<std::uint32_t>(back));
  } else {
    e_.constant(kTemp1, back);
    e_.store(Mem::at(kTemp0), kTemp1);
  }
  claimWord();
  jumpDirect(targetOf(insn));
}

// What is compared is the sum of the address and the mode's key (Engine::jumpKey). A target that is not canonical is
// nobody's, and T0's.
void Translator::lookUpTarget() {
  e_.op(0x69, kTemp2, kTemp1, false);  // imul
  e_.dword(kHashFactor);
  e_.shift(5, kTemp2, kHashShift, false);
  e_.arith(4, kTemp2, (Area::kJumpSlots - 1) << 4, false);
  e_.op(kOpAdd, kTemp1, Mem::state(area(&cpu_.area.jumpKey)));
  compareTarget();
}

// It may be in another slot of its set.
void Translator::compareTarget() {
  e_.op(kOpCmp, kTemp1, Mem::stateIndexed(kTemp2, area(cpu_.area.jumps.data())));
  const std::uint32_t missed = e_.jumpIf(5);
  cold_.push_back({Cold::kTarget, missed, stepSite(), e_.here(), coldRecipe()});
}

void Translator::jumpToSlot() {
  e_.op(0xff, 4, Mem::stateIndexed(kTemp2, area(cpu_.area.jumps.data()) + 8), false);
  ended_ = true;
}

// A target that is not in the table is looked up after T0 has executed the instruction, so nothing may have changed
// before the comparison.
void Translator::jumpIndirect(const Insn& insn, bool call) {
  if (!isNatural(insn)) return stepped(Reason::kControl);
  saveFlags();
  const Mem kept = Mem::state(area(&cpu_.area.target));
  if (insn.memory()) {
    loadAddress(insn);
    probe({word_, false});
    loadWord(kTemp1, Mem::at(kTemp0));
  } else {
    const std::uint8_t from = guestIn(insn.rm / 8, kTemp1);
    moveWord(kTemp1, from);
  }
  if (call) {
    e_.store(kept, kTemp1);
    probePush();
    e_.load(kTemp1, kept);
  }
  lookUpTarget();
  if (call) {
    e_.constant(kTemp1, nextRip(insn));
    storeWord(Mem::at(kTemp0), kTemp1);
    claimWord();
  }
  jumpToSlot();
}

void Translator::returnNear(std::uint32_t drop) {
  saveFlags();
  moveWord(kTemp0, kHostRsp);
  probe({.bytes = word_, .write = false, .stack = true});
  loadWord(kTemp1, Mem::at(kTemp0));
  lookUpTarget();
  moveStack(static_cast<std::int32_t>(word_ + drop));
  jumpToSlot();
}

}  // namespace rhea::x86::t1
