// What the integer instructions share: operands by form, conditions.
#pragma once

#include "target/x86/cpu.h"

namespace rhea::x86 {

// Behind an instruction in an asm statement: flags into AX as State::arith keeps them.
// In front of an instruction that may leave all of its undefined flags as they were: they are then the same whatever
// the guest did before, here and in translated code (t1/transcribe.cc).
#define RHEA_FRESH_FLAGS "cmp %%eax, %%eax\n\t"
#define RHEA_FLAGS_TO_AX "\n\tlahf\n\tseto %%al"

// The rm operand's value.
template <class T, bool kMemory>
inline bool readRm(Cpu& cpu, const Insn& i, T& value) {
  if constexpr (kMemory) return cpu.read(i, value);
  value = cpu.gpr<T>(i.rm);
  return true;
}
template <class T, bool kMemory>
inline bool writeRm(Cpu& cpu, const Insn& i, T value) {
  if constexpr (kMemory) return cpu.write(i, value);
  cpu.setGpr<T>(i.rm, value);
  return true;
}

// Condition codes in the order of the opcodes, from State::arith.
template <unsigned kCode>
inline bool condition(const State& st) {
  const unsigned f = st.arith;
  bool result = false;
  if constexpr (kCode / 2 == 0) result = (f & 1) != 0;
  if constexpr (kCode / 2 == 1) result = (f & 0x100) != 0;
  if constexpr (kCode / 2 == 2) result = (f & 0x4000) != 0;
  if constexpr (kCode / 2 == 3) result = (f & 0x4100) != 0;
  if constexpr (kCode / 2 == 4) result = (f & 0x8000) != 0;
  if constexpr (kCode / 2 == 5) result = (f & 0x400) != 0;
  if constexpr (kCode / 2 == 6) result = ((f >> 15 ^ f) & 1) != 0;
  if constexpr (kCode / 2 == 7) result = ((f >> 15 ^ f) & 1) != 0 || (f & 0x4000) != 0;
  return result != ((kCode & 1) != 0);
}

}  // namespace rhea::x86
