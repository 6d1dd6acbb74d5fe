// Facts: what the translator has to know of one decoded instruction to surround its copy: flags, registers, memory. All
// of it follows from the instruction's row and operands (target/x86/isa.tab).
#pragma once

#include "target/x86/decode.h"

namespace rhea::x86::t1 {

struct Facts {
  // Guest general registers, a bit each, as operands, implied ones too; not the memory operand's base and index. One of
  // which only a part is written counts as read as well.
  std::uint16_t reads = 0;
  std::uint16_t writes = 0;
  // Those that the encoding does not name (rax of mul, cl of shl): they must be in the host's register of that number.
  std::uint16_t fixed = 0;

  // RFLAGS bits. Undefined flags count as written. What an instruction may leave as it was (shl by cl, bsf) counts as
  // read too, so that written and not read means: the old value is lost.
  std::uint16_t flagsRead = 0;
  std::uint16_t flagsWritten = 0;
  // May leave flags as they were, but only undefined ones: its copy sets them before, so that they count as written.
  bool freshFlags = false;

  enum Memory : std::uint8_t { kNone, kRead, kWrite, kModify };
  Memory memory = kNone;
  std::uint8_t memoryBytes = 0;
  bool addressOnly = false;  // has a memory operand and does not reach it: lea, nop, prefetch
  std::uint8_t align = 0;    // 16 or 32: #GP(0) where the operand's address is no multiple

  // May raise an exception by itself, whatever the page tables say: a division, a misaligned operand, one that MXCSR or
  // the x87 control word do not mask. On the host it is a signal then.
  bool mayFault = false;
  bool vector = false;  // xmm, ymm or MXCSR
  bool x87 = false;     // x87 or MMX registers
};

// Facts::freshFlags, which follow from the row alone.
bool setsFreshFlags(const Row& row);

// The facts of any instruction of the table, copied or not.
Facts factsOf(const Insn& insn);

// Bytes of an operand; 0 where the row does not say.
unsigned operandBytes(const Insn& insn, const Operand& operand);

// The general register (0 to 15) that a byte offset of Insn::reg, rm or vvvv names, and whether it is one of ah to bh.
constexpr unsigned registerOf(std::uint8_t at) { return at / 8U; }
constexpr bool isHighByte(std::uint8_t at) { return at % 8 == 1; }

}  // namespace rhea::x86::t1
