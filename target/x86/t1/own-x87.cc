// What of x87 is not a copy: the notes of where the last instruction was, and fldcw.
#include "target/x86/fpu/native.h"
#include "target/x86/t1/translator.h"

namespace rhea::x86 {

extern const Variants exec_fpu_d8, exec_fpu_d9, exec_fpu_da, exec_fpu_db, exec_fpu_dc, exec_fpu_dd, exec_fpu_de,
    exec_fpu_df;

}  // namespace rhea::x86

namespace rhea::x86::t1 {

bool computesX87(const Insn& insn) {
  const Variants* const exec = rows()[insn.row].exec;
  constexpr const Variants* kAll[] = {&exec_fpu_d8, &exec_fpu_d9, &exec_fpu_da, &exec_fpu_db,
                                      &exec_fpu_dc, &exec_fpu_dd, &exec_fpu_de, &exec_fpu_df};
  return std::ranges::find(kAll, exec) != std::end(kAll);
}

std::uint16_t x87Opcode(const Insn& insn) {
  const unsigned modrm = insn.memory() ? insn.rm : 0xc0U | static_cast<unsigned>(insn.reg << 3) | (insn.rm & 7U);
  return static_cast<std::uint16_t>((rows()[insn.row].pattern.opcode & 7U) << 8 | modrm);
}

bool changesX87Notes(const Insn& insn) {
  if (computesX87(insn) || !factsOf(insn).x87) return false;
  const Pattern& p = rows()[insn.row].pattern;
  const bool controlWord = p.map == 0 && p.opcode == 0xd9 && p.mod == 1 && p.reg == 5;
  Facts facts;
  return !controlWord && !describe(insn, facts);
}

// The operand's address is noted at each; where the instruction was at the block's last only, for whoever looks before
// that asks Engine::noteX87().
void Translator::noteX87(const Insn& insn) {
  if (!computesX87(insn)) return;
  constexpr auto at = [](std::size_t offset) { return Mem::state(static_cast<std::int32_t>(offset)); };
  if (insn.memory()) {
    loadAddress(insn, kTemp1, false);
    e_.store(at(offsetof(State, fpu) + offsetof(Fpu, dp)), kTemp1);
  }
  if (static_cast<int>(index_) != lastX87_) return;
  const auto copySelector = [&](SegmentIndex segment, std::size_t to) {
    e_.op(kOpMovzxWord, kTemp1, at(offsetof(State, segments) + segment * sizeof(Segment)), false);
    e_.byte(0x66);
    e_.op(kOpMovStore, kTemp1, at(to), false);
  };
  e_.constant(kTemp1, ripOf(insn));
  e_.store(at(offsetof(State, fpu) + offsetof(Fpu, ip)), kTemp1);
  e_.constant(kTemp1, x87Opcode(insn));
  e_.byte(0x66);
  e_.op(kOpMovStore, kTemp1, at(offsetof(State, fpu) + offsetof(Fpu, opcode)), false);
  copySelector(kCs, offsetof(State, fpu) + offsetof(Fpu, ipSelector));
  for (int n = lastX87_; n >= 0; --n) {
    const Insn& other = block_.insns[n];
    if (changesX87Notes(other)) break;
    if (!computesX87(other) || !other.memory()) continue;
    copySelector(other.segment(), offsetof(State, fpu) + offsetof(Fpu, dpSelector));
    break;
  }
}

// A control word that unmasks an exception is T0's.
void Translator::loadControlWord(const Insn& insn) {
  saveFlags();
  loadAddress(insn);
  probe({2, false});
  e_.op(kOpMovzxWord, kTemp1, Mem::at(kTemp0), false);
  e_.op(0xf7, 2, kTemp1, false);  // not
  e_.arith(4, kTemp1, 0x3f, false);
  coldStep(e_.jumpIf(5));
  e_.op(0xd9, 5, Mem::at(kTemp0), false);
}

}  // namespace rhea::x86::t1
