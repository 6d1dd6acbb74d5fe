// Multiplication, division, sign extension of the accumulator.
#include "target/x86/interp/operands.h"

namespace rhea::x86 {

namespace {

template <bool kSigned>
struct MultiplyAccumulator {
  template <class T, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    T from;
    if (!readRm<T, kMemory>(cpu, i, from)) return Outcome::kFault;
    // AX holds the product, then the flags: the product is moved away in between.
    std::uint64_t low = cpu.st.gpr[kRax];
    std::uint64_t high = 0;
    std::uint16_t flags;
    if constexpr (kSigned) {
      asm(RHEA_FRESH_FLAGS "mov %[low], %%rax\n\timul%z[from] %[from]\n\tmov %%rax, %[low]" RHEA_FLAGS_TO_AX
          : [low] "+&r"(low), "=&a"(flags), "+&d"(high)
          : [from] "r"(from)
          : "cc");
    } else {
      asm(RHEA_FRESH_FLAGS "mov %[low], %%rax\n\tmul%z[from] %[from]\n\tmov %%rax, %[low]" RHEA_FLAGS_TO_AX
          : [low] "+&r"(low), "=&a"(flags), "+&d"(high)
          : [from] "r"(from)
          : "cc");
    }
    cpu.st.arith = flags;
    if constexpr (sizeof(T) == 1) {
      cpu.setGpr<std::uint16_t>(0, static_cast<std::uint16_t>(low));
    } else {
      cpu.setGpr<T>(kRax * 8, static_cast<T>(low));
      cpu.setGpr<T>(kRdx * 8, static_cast<T>(high));
    }
    return Outcome::kNext;
  }
};

// imul with two or three operands: T is 16 bits or more.
template <bool kThree>
struct MultiplyRegister {
  template <class T, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    if constexpr (sizeof(T) == 1) {
      return cpu.undefined();
    } else {
      T from;
      if (!readRm<T, kMemory>(cpu, i, from)) return Outcome::kFault;
      T to = kThree ? static_cast<T>(i.imm) : cpu.gpr<T>(i.reg);
      std::uint16_t flags;
      asm(RHEA_FRESH_FLAGS "imul %[from], %[to]" RHEA_FLAGS_TO_AX
          : [to] "+&r"(to), "=&a"(flags)
          : [from] "r"(from)
          : "cc");
      cpu.setGpr<T>(i.reg, to);
      cpu.st.arith = flags;
      return Outcome::kNext;
    }
  }
};

template <class T>
using Wide =
    std::conditional_t<sizeof(T) == 1, std::uint16_t,
                       std::conditional_t<sizeof(T) == 2, std::uint32_t,
                                          std::conditional_t<sizeof(T) == 4, std::uint64_t, unsigned __int128>>>;
// The quotient is known to fit: the host divides, and leaves the flags that it leaves.
template <class T, bool kSigned>
void divideOnHost(State& st, T& low, T& high, T by) {
  std::uint16_t flags;
  std::uint64_t quotient = sizeof(T) == 1 ? static_cast<std::uint64_t>(low | (high << 8)) : low;
  std::uint64_t remainder = high;
  if constexpr (kSigned) {
    asm(RHEA_FRESH_FLAGS "mov %[low], %%rax\n\tidiv%z[by] %[by]\n\tmov %%rax, %[low]" RHEA_FLAGS_TO_AX
        : [low] "+&r"(quotient), "=&a"(flags), "+&d"(remainder)
        : [by] "r"(by)
        : "cc");
  } else {
    asm(RHEA_FRESH_FLAGS "mov %[low], %%rax\n\tdiv%z[by] %[by]\n\tmov %%rax, %[low]" RHEA_FLAGS_TO_AX
        : [low] "+&r"(quotient), "=&a"(flags), "+&d"(remainder)
        : [by] "r"(by)
        : "cc");
  }
  st.arith = flags;
  low = static_cast<T>(quotient);
  high = static_cast<T>(sizeof(T) == 1 ? quotient >> 8 : remainder);
}

template <bool kSigned>
struct Divide {
  template <class T, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    T by;
    if (!readRm<T, kMemory>(cpu, i, by)) return Outcome::kFault;
    constexpr unsigned kBits = sizeof(T) * 8;
    T low = cpu.gpr<T>(0);
    T high = sizeof(T) == 1 ? cpu.gpr<T>(1) : cpu.gpr<T>(kRdx * 8);
    if (by == 0 || !fits(static_cast<Wide<T>>((static_cast<Wide<T>>(high) << kBits) | low), by))
      return cpu.raise(kDivideError);
    divideOnHost<T, kSigned>(cpu.st, low, high, by);
    cpu.setGpr<T>(0, low);
    if constexpr (sizeof(T) == 1)
      cpu.setGpr<T>(1, high);
    else
      cpu.setGpr<T>(kRdx * 8, high);
    return Outcome::kNext;
  }

 private:
  template <class T>
  static bool fits(Wide<T> dividend, T by) {
    constexpr unsigned kBits = sizeof(T) * 8;
    if constexpr (!kSigned) {
      return static_cast<T>(dividend >> kBits) < by;
    } else {
      // Magnitudes: a negative quotient may be one larger.
      const bool negative = static_cast<bool>(dividend >> (kBits * 2 - 1));
      const bool negativeBy = (by >> (kBits - 1)) != 0;
      const auto size = static_cast<Wide<T>>(negative ? 0 - dividend : dividend);
      const auto sizeBy = static_cast<Wide<T>>(static_cast<T>(negativeBy ? 0 - by : by));
      const auto limit = static_cast<Wide<T>>(static_cast<Wide<T>>(1) << (kBits - 1));
      const auto quotient = static_cast<Wide<T>>(size / sizeBy);
      return negative != negativeBy ? quotient <= limit : quotient < limit;
    }
  }
};

// cbw, cwde, cdqe and cwd, cdq, cqo.
struct ExtendAccumulator {
  template <class T>
  static Outcome body(Cpu& cpu, const Insn&) {
    if constexpr (sizeof(T) > 1) {
      const T value = cpu.gpr<T>(0);
      constexpr unsigned kHalf = sizeof(T) * 4;
      using S = std::make_signed_t<T>;
      cpu.setGpr<T>(0, static_cast<T>(static_cast<S>(static_cast<T>(value << kHalf)) >> kHalf));
    }
    return Outcome::kNext;
  }
};
struct ExtendToData {
  template <class T>
  static Outcome body(Cpu& cpu, const Insn&) {
    const bool negative = (cpu.gpr<T>(0) >> (sizeof(T) * 8 - 1)) != 0;
    cpu.setGpr<T>(kRdx * 8, negative ? static_cast<T>(~T{0}) : T{0});
    return Outcome::kNext;
  }
};

struct MultiplyWithoutFlags {
  template <class T, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    T from;
    if (!readRm<T, kMemory>(cpu, i, from)) return Outcome::kFault;
    const unsigned __int128 product = static_cast<unsigned __int128>(cpu.gpr<T>(kRdx * 8)) * from;
    cpu.setGpr<T>(i.vvvv, static_cast<T>(product));
    cpu.setGpr<T>(i.reg, static_cast<T>(product >> (sizeof(T) * 8)));
    return Outcome::kNext;
  }
};

}  // namespace

RHEA_EXEC_TABLE(mul, MultiplyAccumulator<false>)
RHEA_EXEC_TABLE(imul1, MultiplyAccumulator<true>)
RHEA_EXEC_TABLE(imul2, MultiplyRegister<false>)
RHEA_EXEC_TABLE(imul3, MultiplyRegister<true>)
RHEA_EXEC_TABLE(div, Divide<false>)
RHEA_EXEC_TABLE(idiv, Divide<true>)
RHEA_EXEC_TABLE(cbw, ExtendAccumulator)
RHEA_EXEC_TABLE(cwd, ExtendToData)
RHEA_EXEC_TABLE(mulx, MultiplyWithoutFlags)

}  // namespace rhea::x86
