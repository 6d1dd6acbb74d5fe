// Bit tests, bit scans, counts, BMI, byte order, CRC32.
#include "target/x86/interp/operands.h"

namespace rhea::x86 {

namespace {

enum class BitOp : std::uint8_t { kTest, kSet, kReset, kComplement };

// Through the host's instruction on a register: what it does to the undefined flags is kept.
template <BitOp kOp, class T>
T changeBit(State& st, T value, T bit) {
  std::uint16_t flags = st.arith;
  if constexpr (kOp == BitOp::kTest)
    asm("addb $0x7f, %%al\n\tsahf\n\tbt %[bit], %[value]" RHEA_FLAGS_TO_AX
        : [value] "+r"(value), "+&a"(flags)
        : [bit] "r"(bit)
        : "cc");
  if constexpr (kOp == BitOp::kSet)
    asm("addb $0x7f, %%al\n\tsahf\n\tbts %[bit], %[value]" RHEA_FLAGS_TO_AX
        : [value] "+r"(value), "+&a"(flags)
        : [bit] "r"(bit)
        : "cc");
  if constexpr (kOp == BitOp::kReset)
    asm("addb $0x7f, %%al\n\tsahf\n\tbtr %[bit], %[value]" RHEA_FLAGS_TO_AX
        : [value] "+r"(value), "+&a"(flags)
        : [bit] "r"(bit)
        : "cc");
  if constexpr (kOp == BitOp::kComplement)
    asm("addb $0x7f, %%al\n\tsahf\n\tbtc %[bit], %[value]" RHEA_FLAGS_TO_AX
        : [value] "+r"(value), "+&a"(flags)
        : [bit] "r"(bit)
        : "cc");
  st.arith = flags;
  return value;
}

template <BitOp kOp, class T>
void changeBitLocked(State& st, InPlace<T>& operand, T bit) {
  bit &= sizeof(T) * 8 - 1;
  const T mask = static_cast<T>(T{1} << bit);
  // Not std::atomic_ref, which allows aligned objects only.
  T* const place = operand.host();
  T old = 0;
  if constexpr (kOp == BitOp::kTest) old = __atomic_load_n(place, __ATOMIC_SEQ_CST);
  if constexpr (kOp == BitOp::kSet) old = __atomic_fetch_or(place, mask, __ATOMIC_SEQ_CST);
  if constexpr (kOp == BitOp::kReset) old = __atomic_fetch_and(place, static_cast<T>(~mask), __ATOMIC_SEQ_CST);
  if constexpr (kOp == BitOp::kComplement) old = __atomic_fetch_xor(place, mask, __ATOMIC_SEQ_CST);
  changeBit<BitOp::kTest>(st, old, bit);
}

template <BitOp kOp>
struct Bit {
  template <class T, Form kForm, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    if constexpr (sizeof(T) == 1) {
      return cpu.undefined();
    } else {
      const T bit = kForm == Form::kRmReg ? cpu.gpr<T>(i.reg) : static_cast<T>(i.imm);
      if constexpr (!kMemory) {
        const T value = changeBit<kOp>(cpu.st, cpu.gpr<T>(i.rm), bit);
        if constexpr (kOp != BitOp::kTest) cpu.setGpr<T>(i.rm, value);
        return Outcome::kNext;
      } else {
        std::uint64_t address;
        if (!place<T, kForm>(cpu, i, bit, address)) return Outcome::kFault;
        if constexpr (kOp == BitOp::kTest) {
          T value;
          if (!cpu.load(address, value, i.segment())) return Outcome::kFault;
          changeBit<kOp>(cpu.st, value, bit);
          return Outcome::kNext;
        } else {
          if (i.has(Insn::kLock)) {
            return cpu.modifyAt<T>(address, i.segment(),
                                   [&](InPlace<T>& word) { changeBitLocked<kOp>(cpu.st, word, bit); });
          }
          return cpu.modifyAt<T>(address, i.segment(),
                                 [&](InPlace<T>& word) { word.value = changeBit<kOp, T>(cpu.st, word.value, bit); });
        }
      }
    }
  }

 private:
  // A bit number in a register reaches beyond the operand: bit / width words away, with sign.
  template <class T, Form kForm>
  static bool place(Cpu& cpu, const Insn& i, T bit, std::uint64_t& address) {
    constexpr AccessKind kKind = kOp == BitOp::kTest ? AccessKind::kRead : AccessKind::kWrite;
    if constexpr (kForm != Form::kRmReg) return cpu.linear(i, sizeof(T), kKind, address);
    constexpr int kShift = sizeof(T) == 2 ? 4 : sizeof(T) == 4 ? 5 : 6;
    const std::int64_t words = static_cast<std::make_signed_t<T>>(bit) >> kShift;
    const auto bytes = static_cast<std::uint64_t>(words * static_cast<std::int64_t>(sizeof(T)));
    if (!i.slowAddress()) {
      address = cpu.effective(i) + bytes;
      return true;
    }
    const std::uint64_t mask =
        i.addressBytes() == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (i.addressBytes() * 8)) - 1;
    return cpu.segmented(i.segment(), (cpu.effectiveMasked(i) + bytes) & mask, sizeof(T), kKind, address);
  }
};

#define RHEA_SCAN(Name, mnemonic)                                        \
  struct Name {                                                          \
    template <class T, bool kMemory>                                     \
    static Outcome body(Cpu& cpu, const Insn& i) {                       \
      if constexpr (sizeof(T) == 1) {                                    \
        return cpu.undefined();                                          \
      } else {                                                           \
        T from;                                                          \
        if (!readRm<T, kMemory>(cpu, i, from)) return Outcome::kFault;   \
        T to = cpu.gpr<T>(i.reg);                                        \
        std::uint16_t flags;                                             \
        asm(RHEA_FRESH_FLAGS mnemonic " %[from], %[to]" RHEA_FLAGS_TO_AX \
            : [to] "+&r"(to), "=&a"(flags)                               \
            : [from] "r"(from)                                           \
            : "cc");                                                     \
        cpu.st.arith = flags;                                            \
        if constexpr (kKeepsOnZero) {                                    \
          if (from == 0) return Outcome::kNext;                          \
        }                                                                \
        cpu.setGpr<T>(i.reg, to);                                        \
        return Outcome::kNext;                                           \
      }                                                                  \
    }                                                                    \
    static constexpr bool kKeepsOnZero = (mnemonic)[0] == 'b';           \
  };
// bsf and bsr leave the destination as it is (all 64 bits) when the source is zero, as AMD documents and Intel does.
RHEA_SCAN(Bsf, "bsf")
RHEA_SCAN(Bsr, "bsr")
RHEA_SCAN(Tzcnt, "tzcnt")
RHEA_SCAN(Lzcnt, "lzcnt")
RHEA_SCAN(Popcnt, "popcnt")

// BMI1: flags by rule, so that a host without it can be used. AF and PF are undefined: they are what the host's own
// instruction gives, so that a translator's copy agrees. AMD's CPUs set PF by the result, and AF in bextr; Intel's
// clear both.
bool hostCountsParity() {
  if (!__builtin_cpu_supports("bmi")) return false;
  std::uint16_t flags;
  std::uint32_t mask;
  // blsmsk of 2 is 3, whose parity is even.
  asm(RHEA_FRESH_FLAGS "blsmsk %[from], %[mask]" RHEA_FLAGS_TO_AX
      : [mask] "=&r"(mask), "=&a"(flags)
      : [from] "r"(2)
      : "cc");
  return (flags >> 8 & kPf) != 0;
}
template <class T>
void setBmiFlags(State& st, T result, bool sign, bool carry, bool adjust = false) {
  static const bool kParity = hostCountsParity();
  const bool even = __builtin_parity(static_cast<unsigned>(result & 0xff)) == 0;
  st.setArithmetic((result == 0 ? kZf : 0) | (sign ? kSf : 0) | (carry ? kCf : 0) | (even && kParity ? kPf : 0) |
                   (adjust && kParity ? kAf : 0));
}
template <class T>
bool negative(T value) {
  return (value >> (sizeof(T) * 8 - 1)) != 0;
}

struct Andn {
  template <class T, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    T from;
    if (!readRm<T, kMemory>(cpu, i, from)) return Outcome::kFault;
    const T value = static_cast<T>(~cpu.gpr<T>(i.vvvv) & from);
    cpu.setGpr<T>(i.reg, value);
    setBmiFlags(cpu.st, value, negative(value), false);
    return Outcome::kNext;
  }
};
enum class Lowest : std::uint8_t { kReset, kMask, kIsolate };
template <Lowest kOp>
struct LowestBit {
  template <class T, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    T from;
    if (!readRm<T, kMemory>(cpu, i, from)) return Outcome::kFault;
    T value = 0;
    if constexpr (kOp == Lowest::kReset) value = static_cast<T>(from & (from - 1));
    if constexpr (kOp == Lowest::kMask) value = static_cast<T>(from ^ (from - 1));
    if constexpr (kOp == Lowest::kIsolate) value = static_cast<T>(from & (0 - from));
    cpu.setGpr<T>(i.vvvv, value);
    // blsmsk clears ZF always: its result is never zero.
    setBmiFlags(cpu.st, value, negative(value), kOp == Lowest::kIsolate ? from != 0 : from == 0);
    return Outcome::kNext;
  }
};
struct Bextr {
  template <class T, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    T from;
    if (!readRm<T, kMemory>(cpu, i, from)) return Outcome::kFault;
    const auto control = cpu.gpr<std::uint16_t>(i.vvvv);
    const unsigned start = control & 0xff;
    const unsigned length = control >> 8;
    constexpr unsigned kBits = sizeof(T) * 8;
    T value = start >= kBits ? T{0} : static_cast<T>(from >> start);
    if (length < kBits) value = static_cast<T>(value & ((T{1} << length) - 1));
    cpu.setGpr<T>(i.reg, value);
    setBmiFlags(cpu.st, value, false, false, true);
    return Outcome::kNext;
  }
};
struct Bzhi {
  template <class T, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    T from;
    if (!readRm<T, kMemory>(cpu, i, from)) return Outcome::kFault;
    const unsigned from_bit = cpu.gpr<std::uint8_t>(i.vvvv);
    const bool beyond = from_bit >= sizeof(T) * 8;
    const T value = beyond ? from : static_cast<T>(from & ((T{1} << from_bit) - 1));
    cpu.setGpr<T>(i.reg, value);
    setBmiFlags(cpu.st, value, negative(value), beyond);
    return Outcome::kNext;
  }
};
template <bool kDeposit>
struct ParallelBits {
  template <class T, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    T mask;
    if (!readRm<T, kMemory>(cpu, i, mask)) return Outcome::kFault;
    const T from = cpu.gpr<T>(i.vvvv);
    T to = 0;
    for (unsigned bit = 0; mask != 0; mask = static_cast<T>(mask & (mask - 1)), ++bit) {
      const T lowest = static_cast<T>(mask & (0 - mask));
      if constexpr (kDeposit) {
        if ((from >> bit & 1) != 0) to |= lowest;
      } else if ((from & lowest) != 0) {
        to = static_cast<T>(to | (T{1} << bit));
      }
    }
    cpu.setGpr<T>(i.reg, to);
    return Outcome::kNext;
  }
};

struct ByteSwap {
  template <class T>
  static Outcome body(Cpu& cpu, const Insn& i) {
    if constexpr (sizeof(T) == 8)
      cpu.setGpr<T>(i.rm, __builtin_bswap64(cpu.gpr<T>(i.rm)));
    else if constexpr (sizeof(T) == 4)
      cpu.setGpr<T>(i.rm, __builtin_bswap32(cpu.gpr<T>(i.rm)));
    else if constexpr (sizeof(T) == 2)
      cpu.setGpr<T>(i.rm, T{0});  // undefined; what hardware does
    return Outcome::kNext;
  }
};
template <class T>
T swapped(T value) {
  if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
  if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
  if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
  return value;
}
struct MoveSwapped {
  template <class T, Form kForm, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    if constexpr (kForm == Form::kRegRm) {
      T value;
      if (!readRm<T, kMemory>(cpu, i, value)) return Outcome::kFault;
      cpu.setGpr<T>(i.reg, swapped(value));
      return Outcome::kNext;
    }
    return writeRm<T, kMemory>(cpu, i, swapped(cpu.gpr<T>(i.reg))) ? Outcome::kNext : Outcome::kFault;
  }
};

// CRC-32C, bit by bit reflected.
std::uint32_t crc32c(std::uint32_t crc, std::uint64_t value, unsigned bytes) {
  for (unsigned n = 0; n < bytes; ++n) {
    crc ^= static_cast<std::uint8_t>(value >> (n * 8));
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78U : 0U);
  }
  return crc;
}
struct Crc32 {
  template <class T, bool kMemory>
  static Outcome with(Cpu& cpu, const Insn& i) {
    T value;
    if (!readRm<T, kMemory>(cpu, i, value)) return Outcome::kFault;
    cpu.setGpr<std::uint32_t>(i.reg, crc32c(cpu.gpr<std::uint32_t>(i.reg), value, sizeof(T)));
    return Outcome::kNext;
  }
  // T is the destination's: 4 or 8 bytes; a word comes with the operand-size prefix.
  template <class T, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    if (sizeof(T) == 8) return with<std::uint64_t, kMemory>(cpu, i);
    const bool word = i.has(Insn::k66) == (cpu.st.codeBytes != 2);
    return word ? with<std::uint16_t, kMemory>(cpu, i) : with<std::uint32_t, kMemory>(cpu, i);
  }
};
struct Crc32Byte {
  template <class, Form, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    return Crc32::with<std::uint8_t, kMemory>(cpu, i);
  }
};

}  // namespace

RHEA_EXEC_TABLE(bt, Bit<BitOp::kTest>)
RHEA_EXEC_TABLE(bts, Bit<BitOp::kSet>)
RHEA_EXEC_TABLE(btr, Bit<BitOp::kReset>)
RHEA_EXEC_TABLE(btc, Bit<BitOp::kComplement>)
RHEA_EXEC_TABLE(bsf, Bsf)
RHEA_EXEC_TABLE(bsr, Bsr)
RHEA_EXEC_TABLE(tzcnt, Tzcnt)
RHEA_EXEC_TABLE(lzcnt, Lzcnt)
RHEA_EXEC_TABLE(popcnt, Popcnt)
RHEA_EXEC_TABLE(andn, Andn)
RHEA_EXEC_TABLE(blsr, LowestBit<Lowest::kReset>)
RHEA_EXEC_TABLE(blsmsk, LowestBit<Lowest::kMask>)
RHEA_EXEC_TABLE(blsi, LowestBit<Lowest::kIsolate>)
RHEA_EXEC_TABLE(bextr, Bextr)
RHEA_EXEC_TABLE(bzhi, Bzhi)
RHEA_EXEC_TABLE(pext, ParallelBits<false>)
RHEA_EXEC_TABLE(pdep, ParallelBits<true>)
RHEA_EXEC_TABLE(bswap, ByteSwap)
RHEA_EXEC_TABLE(movbe, MoveSwapped)
RHEA_EXEC_TABLE(crc32, Crc32)
RHEA_EXEC_TABLE(crc32_b, Crc32Byte)

}  // namespace rhea::x86
