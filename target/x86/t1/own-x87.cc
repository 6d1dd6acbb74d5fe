// What of x87 is not a copy: the notes of where the last instruction was, fldcw, the environment, MXCSR.
#include "target/x86/fpu/native.h"
#include "target/x86/simd/mxcsr.h"
#include "target/x86/t1/translator.h"

namespace rhea::x86 {

extern const Variants exec_fpu_d8, exec_fpu_d9, exec_fpu_da, exec_fpu_db, exec_fpu_dc, exec_fpu_dd, exec_fpu_de,
    exec_fpu_df;

}  // namespace rhea::x86

namespace rhea::x86::t1 {

namespace {

Mem at(std::size_t offset) { return Mem::state(static_cast<std::int32_t>(offset)); }
Mem fpu(std::size_t offset) { return at(offsetof(State, fpu) + offset); }

}  // namespace

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

bool loadsControlWord(const Insn& insn) {
  const Pattern& p = rows()[insn.row].pattern;
  return p.map == 0 && p.opcode == 0xd9 && p.mod == 1 && p.reg == 5;
}

bool changesX87Notes(const Insn& insn) {
  if (computesX87(insn) || !factsOf(insn).x87) return false;
  Facts facts;
  return !loadsControlWord(insn) && !movesChosenMmx(insn) && !describe(insn, facts);
}

// The operand's address is noted at each; where the instruction was at the block's last only, for whoever looks before
// that asks Engine::noteX87().
void Translator::noteX87(const Insn& insn) {
  if (!computesX87(insn)) return;
  if (insn.memory()) {
    loadAddress(insn, kTemp1, false);
    e_.store(fpu(offsetof(Fpu, dp)), kTemp1);
  }
  if (static_cast<int>(index_) == lastX87_) noteWhere(index_);
}

// That the instruction of this number was the last one, with the selector of its operand or an earlier one's.
void Translator::noteWhere(unsigned last) {
  const Insn& insn = block_.insns[last];
  const auto copySelector = [&](SegmentIndex segment, std::size_t to) {
    e_.op(kOpMovzxWord, kTemp1, at(offsetof(State, segments) + segment * sizeof(Segment)), false);
    e_.byte(0x66);
    e_.op(kOpMovStore, kTemp1, fpu(to), false);
  };
  e_.constant(kTemp1, ripOf(insn));
  e_.store(fpu(offsetof(Fpu, ip)), kTemp1);
  e_.constant(kTemp1, x87Opcode(insn));
  e_.byte(0x66);
  e_.op(kOpMovStore, kTemp1, fpu(offsetof(Fpu, opcode)), false);
  copySelector(kCs, offsetof(Fpu, ipSelector));
  for (int n = static_cast<int>(last); n >= 0; --n) {
    const Insn& other = block_.insns[n];
    if (changesX87Notes(other)) break;
    if (!computesX87(other) || !other.memory()) continue;
    copySelector(other.segment(), offsetof(Fpu, dpSelector));
    break;
  }
}

bool initialisesX87(const Insn& insn) {
  const Pattern& p = rows()[insn.row].pattern;
  return p.map == 0 && p.opcode == 0xdb && p.mod == 2 && p.reg == 4 && p.rm == 3;
}

// fninit: where the last instruction was is the State's.
void Translator::initialiseX87() {
  e_.bytes({0xdb, 0xe3});
  e_.constant(kTemp1, 0);
  for (const std::size_t place : {offsetof(Fpu, ip), offsetof(Fpu, dp)}) e_.store(fpu(place), kTemp1);
  for (const std::size_t place : {offsetof(Fpu, opcode), offsetof(Fpu, ipSelector), offsetof(Fpu, dpSelector)}) {
    e_.byte(0x66);
    e_.op(kOpMovStore, kTemp1, fpu(place), false);
  }
}

bool changesEnvironment(const Insn& insn) {
  const Pattern& p = rows()[insn.row].pattern;
  return p.map == 0 && p.opcode == 0xd9 && p.mod == 1 && (p.reg == 4 || p.reg == 6);
}

// fldenv and fnstenv in the form of 32-bit protected mode (SDM volume 1, figure 8-9): the host's own, but for where the
// last instruction and its operand were.
bool Translator::environment(const Insn& insn) {
  if (insn.has(Insn::k66) || !native_->x87 || (!wide_ && insn.segment() >= kFs)) return false;
  constexpr std::int32_t kIp = 12, kCode = 16, kDp = 20, kData = 24;
  const std::int32_t controls = area(cpu_.area.controls.data());
  const bool loads = rows()[insn.row].pattern.reg == 4;
  saveFlags();
  recipe_ = {};
  loadAddress(insn);
  probe({28, !loads});
  if (loads) {
    const auto copy = [&](std::int32_t place, std::size_t to) {
      e_.op(kOpMovLoad, kTemp1, Mem::state(controls + place), false);
      e_.store(fpu(to), kTemp1);
    };
    const auto copyWord = [&](std::int32_t place, std::size_t to) {
      e_.op(kOpMovzxWord, kTemp1, Mem::state(controls + place), false);
      if (to == offsetof(Fpu, opcode)) e_.arith(4, kTemp1, 0x7ff, false);
      e_.byte(0x66);
      e_.op(kOpMovStore, kTemp1, fpu(to), false);
    };
    copyControls(7);
    needMasked();
    if (engine_.raises_) noteRaising(e_.here());
    e_.op(0xd9, 4, Mem::state(controls), false);
    copy(kIp, offsetof(Fpu, ip));
    copyWord(kCode, offsetof(Fpu, ipSelector));
    copyWord(kCode + 2, offsetof(Fpu, opcode));
    copy(kDp, offsetof(Fpu, dp));
    copyWord(kData, offsetof(Fpu, dpSelector));
    return true;
  }
  for (int n = static_cast<int>(index_) - 1; n >= 0 && !changesX87Notes(block_.insns[n]); --n) {
    if (!computesX87(block_.insns[n])) continue;
    noteWhere(static_cast<unsigned>(n));
    break;
  }
  // Put together beside the State: what the host says of its own last instruction is nothing for other vCPUs to see.
  e_.op(0xd9, 6, Mem::state(controls), false);
  const auto put = [&](std::int32_t place) { e_.op(kOpMovStore, kTemp1, Mem::state(controls + place), false); };
  // Upper halves of words are ones.
  e_.constant(kTemp1, 0xffff);
  for (const std::int32_t place : {2, 6, 10}) {
    e_.bytes({0x66});
    put(place);
  }
  e_.op(kOpMovLoad, kTemp1, fpu(offsetof(Fpu, ip)), false);
  put(kIp);
  e_.op(kOpMovLoad, kTemp1, fpu(offsetof(Fpu, dp)), false);
  put(kDp);
  e_.op(kOpMovzxWord, kTemp1, fpu(offsetof(Fpu, opcode)), false);
  e_.arith(4, kTemp1, 0x7ff, false);
  e_.shift(4, kTemp1, 16, false);
  e_.op(kOpMovzxWord, kTemp2, fpu(offsetof(Fpu, ipSelector)), false);
  e_.op(0x0b, kTemp1, kTemp2, false);  // or
  put(kCode);
  e_.op(kOpMovzxWord, kTemp1, fpu(offsetof(Fpu, dpSelector)), false);
  e_.arith(1, kTemp1, static_cast<std::int32_t>(0xffff0000), false);
  put(kData);
  for (std::int32_t place = 0; place < 28; place += 4) {
    e_.op(kOpMovLoad, kTemp1, Mem::state(controls + place), false);
    e_.op(kOpMovStore, kTemp1, Mem::at(kTemp0, place), false);
  }
  return true;
}

// Doublewords from kTemp0.
void Translator::copyControls(unsigned count) {
  for (unsigned n = 0; n < count; ++n) {
    e_.op(kOpMovLoad, kTemp1, Mem::at(kTemp0, static_cast<std::int32_t>(4 * n)), false);
    e_.op(kOpMovStore, kTemp1, Mem::state(area(&cpu_.area.controls[n])), false);
  }
}

// A copied control word that unmasks an exception is T0's.
void Translator::needMasked() {
  if (engine_.raises_) return;
  e_.op(kOpMovzxWord, kTemp1, Mem::state(area(cpu_.area.controls.data())), false);
  e_.op(0xf7, 2, kTemp1, false);  // not
  e_.arith(4, kTemp1, 0x3f, false);
  coldStep(e_.jumpIf(5));
}

void Translator::loadControlWord(const Insn& insn) {
  const Mem copy = Mem::state(area(cpu_.area.controls.data()));
  saveFlags();
  loadAddress(insn);
  probe({2, false});
  e_.op(kOpMovzxWord, kTemp1, Mem::at(kTemp0), false);
  e_.op(kOpMovStore, kTemp1, copy, false);
  needMasked();
  if (engine_.raises_) noteRaising(e_.here());
  e_.op(0xd9, 5, copy, false);
}

bool changesVectorControl(const Insn& insn) {
  const Pattern& p = rows()[insn.row].pattern;
  return (p.map == 1 || p.map == 5) && p.opcode == 0xae && p.mod == 1 && (p.reg == 2 || p.reg == 3);
}

// ldmxcsr and stmxcsr. What #GP is for, or unmasks an exception, is T0's.
bool Translator::vectorControl(const Insn& insn) {
  if (!native_->vector) return false;
  const bool loads = rows()[insn.row].pattern.reg == 2;
  saveFlags();
  recipe_ = {};
  loadAddress(insn);
  probe({4, !loads});
  if (!loads) {
    e_.op(0xfae, 3, Mem::at(kTemp0), false);
    return true;
  }
  const auto test = [this](std::uint32_t bits) {
    e_.op(0xf7, 0, kTemp1, false);
    e_.dword(bits);
    coldStep(e_.jumpIf(5));
  };
  copyControls(1);
  test(~simd::kMxcsrValid);
  e_.op(0xf7, 2, kTemp1, false);  // not
  if (!engine_.raises_) test(simd::kMxcsrMasks);
  e_.op(0xfae, 2, Mem::state(area(cpu_.area.controls.data())), false);
  return true;
}

}  // namespace rhea::x86::t1
