// Insn: one decoded instruction, and how an instruction's function is written.
//
// To add an instruction: one row in a table (isa.tab, isa-simd.tab, isa-x87.tab) named NAME[:EXEC], and one
//
//   RHEA_EXEC(paddb) { ... return Outcome::kNext; }                        // same function for every size and form
//   constexpr Variants exec_foo = Variants::of<SomeTable>();               // by operand size, memory, form: see
//   Variants
//
// in a .cc that includes target/x86/cpu.h. Rows with the same EXEC share the function. The decoder has already checked
// everything that the row says (CPUID, mode, CPL0, lock, CR0.EM/TS, CR4.OSFXSR, XCR0): a function that is reached may
// run.
#pragma once

#include "target/x86/isa.h"
#include "target/x86/state.h"

namespace rhea::x86 {

class Cpu;
struct Insn;

enum class Outcome : std::uint8_t {
  kNext,      // go on with the next instruction of the block
  kLinked0,   // rip is set; the block's first direct exit (not taken, or the block's plain end)
  kLinked1,   // rip is set; the second direct exit (taken)
  kIndirect,  // rip is set: look the target up
  kEdge,      // rip is set: something changed that the loop must look at (mode, interrupts, paging, a halt)
  kFault,     // the fault is recorded in the Cpu; nothing of the instruction has happened
};

using Exec = Outcome (*)(Cpu&, const Insn*);

// Order of the first two operands, normalised by the decoder.
enum class Form : std::uint8_t {
  kRmReg,  // first operand in ModRM.rm (or opcode register, accumulator), second in ModRM.reg
  kRegRm,
  kRmImm,
  kOther,
};

struct Insn {
  Exec exec;
  std::int64_t
      imm;  // sign- or zero-extended as the operand says; enter: imm16 | imm8 << 16; far: offset | selector << 32
  std::int32_t disp;  // with base rip: relative to the block's start
  std::uint16_t row;
  std::uint8_t length;
  std::uint8_t end;  // bytes from the block's start to this instruction's end
  std::uint8_t reg;  // general registers: byte offset in State::gpr (ah is 1); others: the number
  std::uint8_t
      rm;  // likewise, when it is a register (with memory the ModRM byte); for kImplied /digit rows `reg` is the digit
  std::uint8_t vvvv;   // likewise
  std::uint8_t base;   // index in State::gpr, kZeroRegister for none, kRipRegister
  std::uint8_t index;  // likewise; for VSIB the vector register's number
  std::uint8_t scale;  // bits 0-1; bits 2-4: SegmentIndex; bit 5: VEX.L; bit 6: REX.W or VEX.W
  std::uint8_t prefixes;
  std::uint8_t attributes;

  enum Prefix : std::uint8_t {
    kLock = 1,
    kRepe = 2,
    kRepne = 4,
    k66 = 8,
    k67 = 16,
    kRex = 32,
    kVex = 64,
    kSegment = 128
  };
  enum Attribute : std::uint8_t { kSizeMask = 3, kAddressMask = 0xc, kMemory = 0x10, kSlowAddress = 0x20 };

  unsigned operandBytes() const { return 1U << (attributes & kSizeMask); }            // 1 where the row says b
  unsigned addressBytes() const { return 1U << ((attributes & kAddressMask) >> 2); }  // 2, 4, 8
  bool memory() const { return (attributes & kMemory) != 0; }
  bool slowAddress() const { return (attributes & kSlowAddress) != 0; }
  SegmentIndex segment() const { return static_cast<SegmentIndex>((scale >> 2) & 7); }
  bool vexL() const { return (scale & 0x20) != 0; }
  bool w() const { return (scale & 0x40) != 0; }
  bool has(Prefix prefix) const { return (prefixes & prefix) != 0; }
};
static_assert(sizeof(Insn) == 32);

using Body = Outcome (*)(Cpu&, const Insn&);

// Calls the body, then the next instruction: the interpreter's threading. Defined in cpu.h.
template <Body kBody>
Outcome chain(Cpu& cpu, const Insn* insn);

// The same for an instruction that ends its block: goes on in the next block where that is known. Defined in block.h.
template <Body kBody>
Outcome leave(Cpu& cpu, const Insn* insn);

struct Within {
  template <Body kBody>
  static constexpr Exec exec = &chain<kBody>;
};
struct Leaving {
  template <Body kBody>
  static constexpr Exec exec = &leave<kBody>;
};

// The functions of one EXEC name, by form, register (0) or memory (1), and log2 of the operand size.
struct Variants {
  Exec by[4][2][4] = {};

  Exec pick(Form form, bool memory, unsigned sizeLog) const {
    return by[static_cast<unsigned>(form)][memory ? 1 : 0][sizeLog];
  }

  template <Body kBody>
  static constexpr Variants same() {
    Variants result;
    for (auto& form : result.by) {
      for (auto& place : form) {
        for (Exec& exec : place) exec = &chain<kBody>;
      }
    }
    return result;
  }

  // Table::body<T, kForm, kMemory>, T one of uint8_t to uint64_t; or body<T, kMemory> or body<T> where the form, or
  // where the operands are, makes no difference: then there is one function for all of them.
  template <class Table, class How = Within>
  static constexpr Variants of() {
    Variants result;
    fill<Table, How, Form::kRmReg>(result);
    fill<Table, How, Form::kRegRm>(result);
    fill<Table, How, Form::kRmImm>(result);
    fill<Table, How, Form::kOther>(result);
    return result;
  }

 private:
  template <class Table, class T, Form kForm, bool kMemory>
  static constexpr Body bodyOf() {
    if constexpr (requires { Body{&Table::template body<T, kForm, kMemory>}; }) {
      return &Table::template body<T, kForm, kMemory>;
    } else if constexpr (requires { Body{&Table::template body<T, kMemory>}; }) {
      return &Table::template body<T, kMemory>;
    } else {
      return &Table::template body<T>;
    }
  }
  template <class Table, class How, Form kForm>
  static constexpr void fill(Variants& to) {
    auto& form = to.by[static_cast<unsigned>(kForm)];
    sizes<Table, How, kForm, false>(form[0]);
    sizes<Table, How, kForm, true>(form[1]);
  }
  template <class Table, class How, Form kForm, bool kMemory>
  static constexpr void sizes(Exec (&place)[4]) {
    place[0] = How::template exec<bodyOf<Table, std::uint8_t, kForm, kMemory>()>;
    place[1] = How::template exec<bodyOf<Table, std::uint16_t, kForm, kMemory>()>;
    place[2] = How::template exec<bodyOf<Table, std::uint32_t, kForm, kMemory>()>;
    place[3] = How::template exec<bodyOf<Table, std::uint64_t, kForm, kMemory>()>;
  }
};

#define RHEA_EXEC(name)                                                                 \
  static Outcome name##Body([[maybe_unused]] Cpu& cpu, [[maybe_unused]] const Insn& i); \
  extern const Variants exec_##name;                                                    \
  constinit const Variants exec_##name = Variants::same<&name##Body>();                 \
  static Outcome name##Body([[maybe_unused]] Cpu& cpu, [[maybe_unused]] const Insn& i)

#define RHEA_EXEC_TABLE(name, ...)   \
  extern const Variants exec_##name; \
  constinit const Variants exec_##name = Variants::of<__VA_ARGS__>();

// The same for what ends a block by a jump.
#define RHEA_EXEC_BRANCH(name, ...)  \
  extern const Variants exec_##name; \
  constinit const Variants exec_##name = Variants::of<__VA_ARGS__, Leaving>();

// The same function under a second name.
#define RHEA_EXEC_BODY(name, ...)    \
  extern const Variants exec_##name; \
  constinit const Variants exec_##name = Variants::same<__VA_ARGS__>();

}  // namespace rhea::x86
