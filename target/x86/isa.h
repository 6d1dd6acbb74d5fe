// Isa: what one row of the instruction table (isa.tab, isa-simd.tab, isa-x87.tab) says, as the decoder, the
// disassembler, the interpreter's dispatch and the test generator read it. isa-gen writes the rows; the head of isa.tab
// describes the format.
#pragma once

#include "emu/base/base.h"

namespace rhea::x86 {

struct Variants;  // target/x86/insn.h

enum class OperandClass : std::uint8_t {
  kNone,
  kGpr,               // G: ModRM.reg
  kRm,                // E: ModRM.rm, register or memory
  kRmRegister,        // R: ModRM.rm, a register only
  kMemory,            // M: ModRM.rm, memory only
  kOpcode,            // Z: register in the opcode's low three bits
  kAccumulator,       // A: al, ax, eax, rax
  kVexGpr,            // B: VEX.vvvv, general register
  kImmediate,         // I
  kSigned,            // Is: an immediate byte, sign-extended to the operand size
  kRelative,          // J
  kOffset,            // O: absolute address in the instruction
  kFar,               // Ap: selector:offset in the instruction
  kSegment,           // S
  kControl,           // C
  kDebug,             // D
  kVector,            // V: xmm/ymm in ModRM.reg
  kVectorRm,          // W: xmm/ymm or memory
  kVectorRmRegister,  // U: xmm/ymm in ModRM.rm only
  kVexVector,         // H: xmm/ymm in VEX.vvvv
  kIs4,               // L: xmm/ymm in the immediate's high four bits
  kMmx,               // P: ModRM.reg
  kMmxRm,             // Q: mm or memory
  kMmxRmRegister,     // N: mm in ModRM.rm only
  kFpu,               // F: st(ModRM.rm)
  kSib,               // X: memory with a vector index (VSIB)
  kImplied,           // =name: not in the encoding, named in Operand::implied
};

// How many bytes: a letter of the table.
enum class OperandSize : std::uint8_t {
  kNone,
  kByte,          // b
  kWord,          // w
  kDword,         // d
  kQword,         // q
  kOcta,          // o: 16 bytes
  kYmm,           // h: 32 bytes
  kTen,           // t: 10 bytes
  kOperand,       // v: 2, 4 or 8 by operand size
  kOperand32,     // z: 2 or 4, by operand size (4 where it is 8)
  kNatural,       // y: 4 or 8 by REX.W (8 in 64-bit mode for C and D)
  kVectorLength,  // x: 16 or 32 by VEX.L
  kFarPointer,    // p: selector and an offset of operand size
};

struct Operand {
  OperandClass kind = OperandClass::kNone;
  OperandSize size = OperandSize::kNone;
  bool read = false;
  bool written = false;
  const char* implied = nullptr;
};

// Class of a row, several bits.
enum RowClass : std::uint32_t {
  kCopy = 1U << 0,       // the translator may copy it
  kRewrite = 1U << 1,    // the translator changes its operands
  kHelper = 1U << 2,     // only by a call
  kEnd = 1U << 3,        // the block ends behind it
  kCpl0 = 1U << 4,       // #GP(0) unless CPL is 0 (real mode counts as 0)
  kLockable = 1U << 5,   // takes a lock prefix when its first operand is memory
  kDefault64 = 1U << 6,  // operand size 64 in 64-bit mode unless 66 is there
  kForce64 = 1U << 7,    // operand size 64 in 64-bit mode, whatever the prefixes
  kFpuClass = 1U << 8,   // x87: #NM by CR0.EM or CR0.TS
  kMmxClass = 1U << 9,   // MMX: #UD by CR0.EM, #NM by CR0.TS
  kSseClass = 1U << 10,  // SSE: #UD by CR0.EM or no CR4.OSFXSR, #NM by CR0.TS
  kAvxClass = 1U << 11,  // AVX: #UD by CR4.OSXSAVE, XCR0, not in real or v86 mode, #NM by CR0.TS
  kNoMode16 = 1U << 12,  // protected mode only: #UD in real and virtual-8086 mode
  kBranch = 1U << 13,
  kWaitClass = 1U << 14,     // fwait: #NM by CR0.MP with CR0.TS
  kUnaligned = 1U << 15,     // vector memory operand need not be aligned (SSE encodings otherwise must)
  kNoMemoryTest = 1U << 16,  // test generator: skip (reads time, state...)
};

// What must hold for the row to be the one meant.
struct Pattern {
  enum Prefix : std::uint8_t { kAny, kNoPrefix, k66, kF3, kF2 };
  std::uint8_t map = 0;  // 0: one byte, 1: 0f, 2: 0f 38, 3: 0f 3a; +4 with VEX (5, 6, 7)
  std::uint8_t opcode = 0;
  std::uint8_t opcodeCount = 1;  // 8 with +r
  Prefix prefix = kAny;
  std::int8_t reg = -1;   // ModRM.reg
  std::int8_t rm = -1;    // ModRM.rm, with mod 3; without ModRM: the opcode's register with REX.B
  std::int8_t mod = 0;    // 0: either, 1: memory, 2: register
  std::int8_t w = -1;     // REX.W, VEX.W
  std::int8_t l = -1;     // VEX.L
  std::int8_t mode = 0;   // 1: only in 64-bit mode, -1: not in 64-bit mode
  std::int8_t osize = 0;  // 16, 32, 64: only with that operand size
  bool hasModrm = false;
};

struct Row {
  const char* name;
  const Variants* exec;
  Pattern pattern;
  std::uint32_t rowClass;
  std::uint16_t flagsRead, flagsWritten, flagsUndefined;  // as RFLAGS bits
  const char* cpuid;
  std::uint8_t operandCount;
  std::array<Operand, 6> operands;

  bool is(RowClass bit) const { return (rowClass & bit) != 0; }
};

// All rows; a row's id is its place here.
std::span<const Row> rows();
// Ids of the rows that an opcode may mean, the most particular first. `map` as in Pattern.
std::span<const std::uint16_t> candidates(unsigned map, std::uint8_t opcode);

}  // namespace rhea::x86
