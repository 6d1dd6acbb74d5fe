// The stack's rarer instructions: enter, pop to memory, pushes of selectors, pusha and popa.
#include "target/x86/t1/translator.h"

namespace rhea::x86::t1 {

// false: not one of them, or not in this form.
bool Translator::stack(const Insn& insn) {
  const Pattern& p = rows()[insn.row].pattern;
  if (!isNatural(insn) || p.map > 1) return false;
  if (p.map == 1) {
    if (p.opcode != 0xa0 && p.opcode != 0xa8) return false;
    pushSelector(p.opcode == 0xa0 ? kFs : kGs);
    return true;
  }
  switch (p.opcode) {
    case 0x06:
    case 0x0e:
    case 0x16:
    case 0x1e:
      pushSelector(static_cast<SegmentIndex>(p.opcode >> 3));
      return true;
    case 0x60:
      if (wide_) return false;
      pushAll();
      return true;
    case 0x61:
      if (wide_) return false;
      popAll();
      return true;
    case 0x8f:
      if (p.reg != 0 || !insn.memory() || insn.disp > INT32_MAX - 8) return false;
      popMemory(insn);
      return true;
    case 0xc8:
      // Without copies of outer frames' pointers.
      if ((insn.imm >> 16 & 31) != 0) return false;
      enter(insn);
      return true;
    default:
      return false;
  }
}

// T0 faults where the new top cannot be written, so both places are looked at.
void Translator::enter(const Insn& insn) {
  const auto frame = static_cast<std::int32_t>(insn.imm & 0xffff);
  const Mem kept = Mem::state(area(&cpu_.area.target));
  keepFlags();
  probePush();
  if (frame != 0) {
    e_.store(kept, kTemp0);
    keepFlags();
    e_.op(kOpLea, kTemp0, Mem::at(kHostRsp, -static_cast<std::int32_t>(word_) - frame), wide_);
    probe({word_, true});
    e_.load(kTemp0, kept);
  }
  changes(1U << kRbp | 1U << kRsp);
  storeWord(Mem::at(kTemp0), kHostRbp);
  e_.op(kOpLea, kHostRbp, Mem::at(kHostRsp, -static_cast<std::int32_t>(word_)), wide_);
  e_.op(kOpLea, kHostRsp, Mem::at(kHostRbp, -frame), wide_);
}

// An address that counts from RSP counts with the pop done.
void Translator::popMemory(const Insn& insn) {
  const Mem kept = Mem::state(area(&cpu_.area.target));
  keepFlags();
  moveWord(kTemp0, kHostRsp);
  probe({.bytes = word_, .write = false, .stack = true});
  loadWord(kTemp1, Mem::at(kTemp0));
  e_.store(kept, kTemp1);
  Insn target = insn;
  if (target.base == kRsp) target.disp += static_cast<std::int32_t>(word_);
  loadAddress(target);
  probe({word_, true});
  e_.load(kTemp1, kept);
  storeWord(Mem::at(kTemp0), kTemp1);
  changes(1U << kRsp);
  moveStack(static_cast<std::int32_t>(word_));
}

void Translator::pushSelector(SegmentIndex segment) {
  keepFlags();
  probePush();
  e_.op(kOpMovzxWord, kTemp1,
        Mem::state(static_cast<std::int32_t>(offsetof(State, segments) + segment * sizeof(Segment))), false);
  storeWord(Mem::at(kTemp0), kTemp1);
  claimWord();
}

// The eight registers of 32-bit code.
void Translator::pushAll() {
  constexpr std::int32_t kAll = 8 * 4;
  keepFlags();
  e_.op(kOpLea, kTemp0, Mem::at(kHostRsp, -kAll), false);
  probe({.bytes = kAll, .write = true, .stack = true});
  changes(1U << kRsp);
  for (std::uint8_t n = 0; n < 8; ++n) e_.op(kOpMovStore, n, Mem::at(kTemp0, kAll - 4 * (n + 1)), false);
  moveStack(-kAll);
}

void Translator::popAll() {
  constexpr std::int32_t kAll = 8 * 4;
  keepFlags();
  moveWord(kTemp0, kHostRsp);
  probe({.bytes = kAll, .write = false, .stack = true});
  changes(0xff);
  for (std::uint8_t n = 0; n < 8; ++n) {
    if (n != kRsp) e_.op(kOpMovLoad, n, Mem::at(kTemp0, kAll - 4 * (n + 1)), false);
  }
  moveStack(kAll);
}

}  // namespace rhea::x86::t1
