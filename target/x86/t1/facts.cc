#include "target/x86/t1/facts.h"

#include "target/x86/operand-size.h"

namespace rhea::x86::t1 {

namespace {

constexpr std::uint16_t bit(unsigned number) { return static_cast<std::uint16_t>(1U << number); }

// Registers behind '=' in the table. `bytes`: how much of each; 0: as much as the operand size says.
struct Implied {
  std::string_view name;
  std::uint16_t registers;
  unsigned bytes;
};
constexpr Implied kImpliedRegisters[] = {
    {"al", bit(kRax), 1},
    {"ah", bit(kRax), 1},
    {"ax", bit(kRax), 2},
    {"eax", bit(kRax), 4},
    {"rax", bit(kRax), 0},
    {"cl", bit(kRcx), 1},
    {"rcx", bit(kRcx), 0},
    {"dx", bit(kRdx), 2},
    {"edx", bit(kRdx), 4},
    {"rdx", bit(kRdx), 0},
    {"rbx", bit(kRbx), 8},
    {"edx:eax", bit(kRdx) | bit(kRax), 4},
    {"ecx:ebx", bit(kRcx) | bit(kRbx), 4},
    {"rdx:rax", bit(kRdx) | bit(kRax), 8},
    {"rcx:rbx", bit(kRcx) | bit(kRbx), 8},
};

// What a row says in words, found once.
struct Said {
  bool image = false;                                                              // xsave and its kin
  std::array<std::uint8_t, std::tuple_size_v<decltype(Row::operands)>> implied{};  // in kImpliedRegisters, from 1
};

const std::vector<Said>& said() {
  static const std::vector<Said> all = [] {
    std::vector<Said> made(rows().size());
    for (std::size_t n = 0; n < made.size(); ++n) {
      const Row& row = rows()[n];
      made[n].image = std::string_view(row.cpuid).starts_with("xsave");
      for (unsigned o = 0; o < row.operandCount; ++o) {
        for (std::size_t k = 0; k < std::size(kImpliedRegisters); ++k) {
          if (row.operands[o].kind == OperandClass::kImplied && kImpliedRegisters[k].name == row.operands[o].implied)
            made[n].implied[o] = static_cast<std::uint8_t>(k + 1);
        }
      }
    }
    return made;
  }();
  return all;
}

// Shifts and rotates, whose flags depend on the count.
bool isShift(const Pattern& p) {
  if (p.map == 0) return p.opcode == 0xc0 || p.opcode == 0xc1 || p.opcode == 0xd2 || p.opcode == 0xd3;
  return p.map == 1 && (p.opcode == 0xa4 || p.opcode == 0xa5 || p.opcode == 0xac || p.opcode == 0xad);
}
bool countsFromCl(const Pattern& p) {
  return p.opcode == 0xd2 || p.opcode == 0xd3 || p.opcode == 0xa5 || p.opcode == 0xad;
}

// The host's flags behind a shift of `value` by a constant, from those given. Of rcx, with what stands before the
// opcode.
template <unsigned kPrefix, unsigned kOpcode, unsigned kDigit, unsigned kCount>
std::uint64_t flagsOfShift(std::uint64_t value, std::uint64_t flags) {
#if defined(__x86_64__)
  asm volatile(
      "lea -128(%%rsp), %%rsp\n push %[flags]\n popf\n"
      ".byte %c[prefix], %c[opcode], %c[modrm], %c[count]\n"
      "pushf\n pop %[flags]\n lea 128(%%rsp), %%rsp\n"
      : [flags] "+r"(flags), "+c"(value)
      : [prefix] "i"(kPrefix), [opcode] "i"(kOpcode), [modrm] "i"(0xc1 | kDigit << 3), [count] "i"(kCount)
      : "cc", "memory");
#endif
  return flags & kArithmeticFlags;
}

template <unsigned kPrefix, unsigned kOpcode, unsigned kDigit, unsigned kCount>
bool setsAllFlags() {
  constexpr std::uint64_t kSome[] = {0, 1, ~std::uint64_t{0}, 0x8040201008040201, 0x123456789abcdef0};
  return std::ranges::all_of(kSome, [](std::uint64_t value) {
    const auto from = [&](std::uint64_t flags) {
      return flagsOfShift<kPrefix, kOpcode, kDigit, kCount>(value, flags | 0x202);
    };
    return from(0) == from(kArithmeticFlags);
  });
}

template <unsigned kPrefix, unsigned kOpcode>
bool setAllFlags() {
  return setsAllFlags<kPrefix, kOpcode, 4, 1>() && setsAllFlags<kPrefix, kOpcode, 4, 5>() &&
         setsAllFlags<kPrefix, kOpcode, 5, 1>() && setsAllFlags<kPrefix, kOpcode, 5, 5>() &&
         setsAllFlags<kPrefix, kOpcode, 7, 1>() && setsAllFlags<kPrefix, kOpcode, 7, 5>();
}

// Whether the host's shifts by a constant leave no flag as it was, those included that are undefined. It is asked once.
bool shiftsSetAllFlags() {
  static const bool all =
      setAllFlags<0x40, 0xc0>() && setAllFlags<0x66, 0xc1>() && setAllFlags<0x40, 0xc1>() && setAllFlags<0x48, 0xc1>();
  return all;
}

// Likewise whether those that rotate by more than one set OF, which is undefined: Intel's CPUs leave it as it was.
bool rotationsSetOverflow() {
  static const bool set = [] {
    constexpr std::uint64_t kSome[] = {0, 1, ~std::uint64_t{0}, 0x8040201008040201, 0x123456789abcdef0};
    return std::ranges::all_of(kSome, [](std::uint64_t value) {
      const auto alike = [value](auto rotate) {
        return ((rotate(value, 0x202) ^ rotate(value, 0x202 | kOf)) & kOf) == 0;
      };
      return alike(flagsOfShift<0x40, 0xc0, 0, 3>) && alike(flagsOfShift<0x40, 0xc0, 1, 3>) &&
             alike(flagsOfShift<0x48, 0xc1, 0, 3>) && alike(flagsOfShift<0x48, 0xc1, 1, 3>);
    });
  }();
  return set;
}

class Collector {
 public:
  explicit Collector(const Insn& insn) : i_(insn), row_(rows()[insn.row]), said_(said()[insn.row]) {}

  Facts collect() {
    facts_.vector = row_.is(kSseClass) || row_.is(kAvxClass);
    facts_.vector = facts_.vector || said_.image;
    facts_.x87 = row_.is(kFpuClass) || row_.is(kWaitClass) || row_.is(kMmxClass) || said_.image;
    for (unsigned n = 0; n < row_.operandCount; ++n) operand(row_.operands[n], n);
    flags();
    facts_.addressOnly = i_.memory() && facts_.memory == Facts::kNone;
    const bool divides = row_.pattern.map == 0 && (row_.pattern.opcode | 1) == 0xf7 && row_.pattern.reg >= 6;
    facts_.mayFault = divides || facts_.align != 0 || facts_.vector || facts_.x87;
    return facts_;
  }

 private:
  void flags() {
    const auto changed = static_cast<std::uint16_t>(row_.flagsWritten | row_.flagsUndefined);
    facts_.flagsWritten = changed;
    facts_.freshFlags = setsFreshFlags(row_);
    if (facts_.freshFlags) return;
    facts_.flagsRead = static_cast<std::uint16_t>(row_.flagsRead | (changed & ~surelyWritten()));
  }
  std::uint16_t surelyWritten() const {
    const bool shiftsByOne = row_.pattern.map == 0 && (row_.pattern.opcode == 0xd0 || row_.pattern.opcode == 0xd1);
    const bool shifts = shiftsByOne || (row_.pattern.map == 0 && (row_.pattern.opcode | 1) == 0xc1);
    const bool all = shifts && row_.pattern.reg >= 4 && shiftsSetAllFlags();
    const auto written = static_cast<std::uint16_t>(row_.flagsWritten | (all ? row_.flagsUndefined : 0));
    if (!isShift(row_.pattern)) return written;
    if (countsFromCl(row_.pattern)) return 0;
    const unsigned bytes = operandBytes(i_, row_.operands[0]);
    const unsigned count = static_cast<unsigned>(i_.imm) & (bytes == 8 ? 63 : 31);
    const bool rotates = row_.pattern.map == 0 && row_.pattern.reg < 2;
    if (rotates && count > 1 && !rotationsSetOverflow())
      return static_cast<std::uint16_t>(written & ~row_.flagsUndefined);
    return count > 0 && count < bytes * 8 ? written : std::uint16_t{0};
  }

  void operand(const Operand& o, unsigned place) {
    const unsigned bytes = operandBytes(i_, o);
    switch (o.kind) {
      case OperandClass::kGpr:
        return gpr(o, i_.reg, bytes);
      case OperandClass::kVexGpr:
        return gpr(o, i_.vvvv, bytes);
      case OperandClass::kOpcode:
      case OperandClass::kRmRegister:
        return gpr(o, i_.rm, bytes);
      case OperandClass::kAccumulator:
        facts_.fixed |= bit(kRax);
        return gpr(o, place == 0 ? i_.rm : i_.reg, bytes);
      case OperandClass::kRm:
        return i_.memory() ? memory(o, bytes) : gpr(o, i_.rm, bytes);
      case OperandClass::kMemory:
      case OperandClass::kOffset:
      case OperandClass::kSib:
        return memory(o, bytes);
      case OperandClass::kVectorRm:
        facts_.vector = true;
        if (i_.memory()) memory(o, bytes);
        return;
      case OperandClass::kMmxRm:
        facts_.x87 = true;
        if (i_.memory()) memory(o, bytes);
        return;
      case OperandClass::kMmx:
      case OperandClass::kMmxRmRegister:
      case OperandClass::kFpu:
        facts_.x87 = true;
        return;
      case OperandClass::kVector:
      case OperandClass::kVectorRmRegister:
      case OperandClass::kVexVector:
      case OperandClass::kIs4:
        facts_.vector = true;
        return;
      case OperandClass::kImplied:
        return implied(o, said_.implied[place]);
      default:
        return;
    }
  }

  void gpr(const Operand& o, std::uint8_t at, unsigned bytes) { touch(o, bit(registerOf(at)), bytes); }
  void touch(const Operand& o, std::uint16_t registers, unsigned bytes) {
    if (o.written) facts_.writes |= registers;
    if (o.read || (o.written && bytes < 4)) facts_.reads |= registers;
  }
  void implied(const Operand& o, unsigned number) {
    if (number == 0) return;
    const Implied& known = kImpliedRegisters[number - 1];
    facts_.fixed |= known.registers;
    touch(o, known.registers, known.bytes != 0 ? known.bytes : i_.operandBytes());
  }
  void memory(const Operand& o, unsigned bytes) {
    if (!o.read && !o.written) return;
    facts_.memoryBytes = static_cast<std::uint8_t>(bytes);
    unsigned access = facts_.memory;
    if (o.read) access |= Facts::kRead;
    if (o.written) access |= Facts::kWrite;
    facts_.memory = static_cast<Facts::Memory>(access);
    const bool sse = (row_.is(kSseClass) || row_.is(kMmxClass)) && !row_.is(kUnaligned) && bytes == 16;
    if (sse || mustBeAligned()) facts_.align = static_cast<std::uint8_t>(bytes);
  }
  // Instructions that want alignment whatever the encoding: whole vector moves that say so, and cmpxchg16b.
  bool mustBeAligned() const {
    const Pattern& p = row_.pattern;
    const bool is66 = p.prefix == Pattern::k66;
    const bool plain = p.prefix == Pattern::kNoPrefix;
    if (p.map == 1 && p.opcode == 0xc7) return p.reg == 1 && p.w == 1;
    if (!row_.is(kAvxClass)) return false;
    if (p.map == 6) return p.opcode == 0x2a;
    if (p.map != 5) return false;
    if (p.opcode == 0x28 || p.opcode == 0x29 || p.opcode == 0x2b) return is66 || plain;
    return is66 && (p.opcode == 0x6f || p.opcode == 0x7f || p.opcode == 0xe7);
  }

  const Insn& i_;
  const Row& row_;
  const Said& said_;
  Facts facts_;
};

}  // namespace

bool setsFreshFlags(const Row& row) {
  const auto changed = static_cast<std::uint16_t>(row.flagsWritten | row.flagsUndefined);
  return (changed & kArithmeticFlags) == kArithmeticFlags && row.flagsWritten != changed && row.flagsRead == 0 &&
         !isShift(row.pattern);
}

Facts factsOf(const Insn& insn) { return Collector(insn).collect(); }

unsigned operandBytes(const Insn& i, const Operand& operand) {
  const bool wide = i.w();
  // The decoder keeps the first operand's size; others follow from the prefixes. 16-bit code is not for copying.
  const unsigned byPrefix = wide ? 8 : i.has(Insn::k66) ? 2 : 4;
  if (const unsigned fixed = fixedBytes(operand.size); fixed != 0) return fixed;
  switch (operand.size) {
    case OperandSize::kOperand:
      return rows()[i.row].is(kDefault64) || rows()[i.row].is(kForce64) ? i.operandBytes() : byPrefix;
    case OperandSize::kOperand32:
      return std::min(byPrefix, 4U);
    case OperandSize::kNatural:
      return wide ? 8 : 4;
    case OperandSize::kVectorLength:
      return i.vexL() ? 32 : 16;
    default:
      return 0;
  }
}

}  // namespace rhea::x86::t1
