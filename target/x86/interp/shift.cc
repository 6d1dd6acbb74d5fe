// Shifts and rotates, by the host's own: flags in, flags out, so that a count of zero keeps them.
#include "target/x86/interp/operands.h"

namespace rhea::x86 {

namespace {

// Guest flags into the host's: OF by an addition that overflows when AL is 1, the rest by sahf.
#define RHEA_FLAGS_FROM_AX "addb $0x7f, %%al\n\tsahf\n\t"

#define RHEA_SHIFT(Name, mnemonic)                                                                                \
  struct Name {                                                                                                   \
    template <class T>                                                                                            \
    static T apply(State& st, T value, std::uint8_t count) {                                                      \
      std::uint16_t flags = st.arith;                                                                             \
      asm(RHEA_FLAGS_FROM_AX mnemonic " %%cl, %[value]" RHEA_FLAGS_TO_AX                                          \
          : [value] "+r"(value), "+&a"(flags)                                                                     \
          : "c"(count)                                                                                            \
          : "cc");                                                                                                \
      st.arith = flags;                                                                                           \
      return value;                                                                                               \
    }                                                                                                             \
    template <class T>                                                                                            \
    static T one(State& st, T value) {                                                                            \
      std::uint16_t flags = st.arith;                                                                             \
      asm(RHEA_FLAGS_FROM_AX mnemonic " %[value]" RHEA_FLAGS_TO_AX : [value] "+r"(value), "+&a"(flags) : : "cc"); \
      st.arith = flags;                                                                                           \
      return value;                                                                                               \
    }                                                                                                             \
  };

RHEA_SHIFT(Rol, "rol")
RHEA_SHIFT(Ror, "ror")
RHEA_SHIFT(Rcl, "rcl")
RHEA_SHIFT(Rcr, "rcr")
RHEA_SHIFT(Shl, "shl")
RHEA_SHIFT(Shr, "shr")
RHEA_SHIFT(Sar, "sar")

enum class Count : std::uint8_t { kImmediate, kOne, kCl };

// OF behind a rotation by more than one is undefined. Intel's CPUs leave it alone where a register is
// rotated by an immediate, and compute it where the count is in CL, which is how the interpreter rotates by both, or
// the operand is in memory; AMD's do the same for all.
bool hostKeepsOverflow() {
  for (const std::uint16_t before : {std::uint16_t{0}, std::uint16_t{1}}) {
    for (const std::uint8_t of : {std::uint8_t{0x00}, std::uint8_t{0x40}, std::uint8_t{0x80}, std::uint8_t{0xe0}}) {
      std::uint16_t flags = before;
      std::uint8_t value = of;
      asm(RHEA_FLAGS_FROM_AX "rolb $2, %[value]" RHEA_FLAGS_TO_AX : [value] "+r"(value), "+&a"(flags) : : "cc");
      if ((flags & 1) != before) return false;
    }
  }
  return true;
}

template <class Op, Count kCount>
struct Shift {
  template <class T, bool kMemory>
  static T apply(Cpu& cpu, const Insn& i, T value) {
    if constexpr (kCount == Count::kOne) return Op::one(cpu.st, value);
    const auto count =
        static_cast<std::uint8_t>(kCount == Count::kCl ? cpu.st.gpr[kRcx] : static_cast<std::uint64_t>(i.imm));
    if constexpr (kCount == Count::kImmediate && !kMemory && (std::is_same_v<Op, Rol> || std::is_same_v<Op, Ror>)) {
      static const bool kKeeps = hostKeepsOverflow();
      if (kKeeps && (count & (sizeof(T) == 8 ? 63 : 31)) > 1) {
        const std::uint16_t before = cpu.st.arith;
        const T rotated = Op::apply(cpu.st, value, count);
        cpu.st.arith = static_cast<std::uint16_t>((cpu.st.arith & ~0xff) | (before & 0xff));
        return rotated;
      }
    }
    return Op::apply(cpu.st, value, count);
  }
  template <class T, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    if constexpr (kMemory) {
      return cpu.modify<T>(i, [&](InPlace<T>& place) { place.value = apply<T, true>(cpu, i, place.value); });
    }
    cpu.setGpr<T>(i.rm, apply<T, false>(cpu, i, cpu.gpr<T>(i.rm)));
    return Outcome::kNext;
  }
};

template <bool kRight, Count kCount>
struct DoubleShift {
  template <class T>
  static T apply(Cpu& cpu, const Insn& i, T value) {
    const auto count =
        static_cast<std::uint8_t>(kCount == Count::kCl ? cpu.st.gpr[kRcx] : static_cast<std::uint64_t>(i.imm));
    const T from = cpu.gpr<T>(i.reg);
    std::uint16_t flags = cpu.st.arith;
    if constexpr (kRight) {
      asm(RHEA_FLAGS_FROM_AX "shrd %%cl, %[from], %[value]" RHEA_FLAGS_TO_AX
          : [value] "+r"(value), "+&a"(flags)
          : "c"(count), [from] "r"(from)
          : "cc");
    } else {
      asm(RHEA_FLAGS_FROM_AX "shld %%cl, %[from], %[value]" RHEA_FLAGS_TO_AX
          : [value] "+r"(value), "+&a"(flags)
          : "c"(count), [from] "r"(from)
          : "cc");
    }
    cpu.st.arith = flags;
    return value;
  }
  template <class T, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    if constexpr (sizeof(T) == 1) {
      return cpu.undefined();
    } else {
      if constexpr (kMemory) {
        return cpu.modify<T>(i, [&](InPlace<T>& place) { place.value = apply<T>(cpu, i, place.value); });
      }
      cpu.setGpr<T>(i.rm, apply<T>(cpu, i, cpu.gpr<T>(i.rm)));
      return Outcome::kNext;
    }
  }
};

// BMI2: no flags.
enum class Direction : std::uint8_t { kLeft, kRight, kArithmetic };
template <Direction kDirection>
struct ShiftWithoutFlags {
  template <class T, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    T value;
    if (!readRm<T, kMemory>(cpu, i, value)) return Outcome::kFault;
    const unsigned count = cpu.gpr<std::uint8_t>(i.vvvv) & (sizeof(T) * 8 - 1);
    if constexpr (kDirection == Direction::kLeft)
      value = static_cast<T>(value << count);
    else if constexpr (kDirection == Direction::kRight)
      value = static_cast<T>(value >> count);
    else
      value = static_cast<T>(static_cast<std::make_signed_t<T>>(value) >> count);
    cpu.setGpr<T>(i.reg, value);
    return Outcome::kNext;
  }
};
struct RotateWithoutFlags {
  template <class T, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    T value;
    if (!readRm<T, kMemory>(cpu, i, value)) return Outcome::kFault;
    const unsigned count = static_cast<unsigned>(i.imm) & (sizeof(T) * 8 - 1);
    cpu.setGpr<T>(i.reg, static_cast<T>((value >> count) | (value << ((sizeof(T) * 8 - count) & (sizeof(T) * 8 - 1)))));
    return Outcome::kNext;
  }
};

}  // namespace

#define RHEA_SHIFT_ROWS(name, Op)                     \
  RHEA_EXEC_TABLE(name, Shift<Op, Count::kImmediate>) \
  RHEA_EXEC_TABLE(name##_1, Shift<Op, Count::kOne>)   \
  RHEA_EXEC_TABLE(name##_cl, Shift<Op, Count::kCl>)

RHEA_SHIFT_ROWS(rol, Rol)
RHEA_SHIFT_ROWS(ror, Ror)
RHEA_SHIFT_ROWS(rcl, Rcl)
RHEA_SHIFT_ROWS(rcr, Rcr)
RHEA_SHIFT_ROWS(shl, Shl)
RHEA_SHIFT_ROWS(shr, Shr)
RHEA_SHIFT_ROWS(sar, Sar)
RHEA_EXEC_TABLE(shld, DoubleShift<false, Count::kImmediate>)
RHEA_EXEC_TABLE(shld_cl, DoubleShift<false, Count::kCl>)
RHEA_EXEC_TABLE(shrd, DoubleShift<true, Count::kImmediate>)
RHEA_EXEC_TABLE(shrd_cl, DoubleShift<true, Count::kCl>)
RHEA_EXEC_TABLE(shlx, ShiftWithoutFlags<Direction::kLeft>)
RHEA_EXEC_TABLE(shrx, ShiftWithoutFlags<Direction::kRight>)
RHEA_EXEC_TABLE(sarx, ShiftWithoutFlags<Direction::kArithmetic>)
RHEA_EXEC_TABLE(rorx, RotateWithoutFlags)

}  // namespace rhea::x86
