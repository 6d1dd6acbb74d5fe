// Addition, subtraction, logic, comparison: the host's own instruction does the work, so that every flag, the undefined
// ones too, is what this host gives.
#include "target/x86/interp/operands.h"

namespace rhea::x86 {

namespace {

// `apply` works on a register, `locked` on memory in place.
#define RHEA_BINARY(Name, mnemonic, carry)                                             \
  struct Name {                                                                        \
    template <class T>                                                                 \
    static void apply(State& st, T& to, T from) {                                      \
      std::uint16_t flags;                                                             \
      asm(carry mnemonic " %[from], %[to]" RHEA_FLAGS_TO_AX                            \
          : [to] "+r"(to), "=&a"(flags)                                                \
          : [from] "r"(from), [old] "r"(static_cast<std::uint32_t>(st.arith))          \
          : "cc");                                                                     \
      st.arith = flags;                                                                \
    }                                                                                  \
    template <class T>                                                                 \
    static void locked(State& st, InPlace<T>& to, T from) {                            \
      std::uint16_t flags;                                                             \
      asm volatile(carry "lock " mnemonic " %[from], %[to]" RHEA_FLAGS_TO_AX           \
                   : [to] "+m"(to.value), "=&a"(flags)                                 \
                   : [from] "r"(from), [old] "r"(static_cast<std::uint32_t>(st.arith)) \
                   : "cc", "memory");                                                  \
      st.arith = flags;                                                                \
    }                                                                                  \
  };

RHEA_BINARY(Add, "add", "")
RHEA_BINARY(Or, "or", "")
RHEA_BINARY(Adc, "adc", "btl $8, %[old]\n\t")
RHEA_BINARY(Sbb, "sbb", "btl $8, %[old]\n\t")
RHEA_BINARY(And, "and", "")
RHEA_BINARY(Sub, "sub", "")
RHEA_BINARY(Xor, "xor", "")

template <class Op>
struct Binary {
  template <class T, Form kForm, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    if constexpr (kForm == Form::kOther) {
      return cpu.undefined();
    } else if constexpr (kForm == Form::kRegRm) {
      T from;
      if (!readRm<T, kMemory>(cpu, i, from)) return Outcome::kFault;
      T to = cpu.gpr<T>(i.reg);
      Op::apply(cpu.st, to, from);
      cpu.setGpr<T>(i.reg, to);
      return Outcome::kNext;
    } else {
      const T from = kForm == Form::kRmReg ? cpu.gpr<T>(i.reg) : static_cast<T>(i.imm);
      if constexpr (kMemory) {
        if (i.has(Insn::kLock)) return cpu.modify<T>(i, [&](InPlace<T>& place) { Op::locked(cpu.st, place, from); });
        return cpu.modify<T>(i, [&](InPlace<T>& place) {
          T value = place.value;
          Op::apply(cpu.st, value, from);
          place.value = value;
        });
      }
      T to = cpu.gpr<T>(i.rm);
      Op::apply(cpu.st, to, from);
      cpu.setGpr<T>(i.rm, to);
      return Outcome::kNext;
    }
  }
};

#define RHEA_COMPARISON(Name, mnemonic)                                                                        \
  struct Name {                                                                                                \
    template <class T>                                                                                         \
    static void apply(State& st, T to, T from) {                                                               \
      std::uint16_t flags;                                                                                     \
      asm(mnemonic " %[from], %[to]" RHEA_FLAGS_TO_AX : "=&a"(flags) : [from] "r"(from), [to] "r"(to) : "cc"); \
      st.arith = flags;                                                                                        \
    }                                                                                                          \
  };

RHEA_COMPARISON(Cmp, "cmp")
RHEA_COMPARISON(Test, "test")

template <class Op>
struct Comparison {
  template <class T, Form kForm, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    if constexpr (kForm == Form::kOther) {
      return cpu.undefined();
    } else {
      T value;
      if (!readRm<T, kMemory>(cpu, i, value)) return Outcome::kFault;
      if constexpr (kForm == Form::kRegRm)
        Op::apply(cpu.st, cpu.gpr<T>(i.reg), value);
      else if constexpr (kForm == Form::kRmReg)
        Op::apply(cpu.st, value, cpu.gpr<T>(i.reg));
      else
        Op::apply(cpu.st, value, static_cast<T>(i.imm));
      return Outcome::kNext;
    }
  }
};

// inc and dec keep CF, not keeps all.
#define RHEA_UNARY(Name, mnemonic, before, after)                                 \
  struct Name {                                                                   \
    template <class T>                                                            \
    static void apply(State& st, T& to) {                                         \
      std::uint16_t flags = st.arith;                                             \
      asm(before mnemonic " %[to]" after : [to] "+r"(to), "+&a"(flags) : : "cc"); \
      st.arith = flags;                                                           \
    }                                                                             \
    template <class T>                                                            \
    static void locked(State& st, InPlace<T>& to) {                               \
      std::uint16_t flags = st.arith;                                             \
      asm volatile(before "lock " mnemonic "%z[to] %[to]" after                   \
                   : [to] "+m"(to.value), "+&a"(flags)                            \
                   :                                                              \
                   : "cc", "memory");                                             \
      st.arith = flags;                                                           \
    }                                                                             \
  };

RHEA_UNARY(Inc, "inc", "btw $8, %w1\n\t", RHEA_FLAGS_TO_AX)
RHEA_UNARY(Dec, "dec", "btw $8, %w1\n\t", RHEA_FLAGS_TO_AX)
RHEA_UNARY(Neg, "neg", "", RHEA_FLAGS_TO_AX)
RHEA_UNARY(Not, "not", "", "")

template <class Op>
struct Unary {
  template <class T, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    if constexpr (kMemory) {
      if (i.has(Insn::kLock)) return cpu.modify<T>(i, [&](InPlace<T>& place) { Op::locked(cpu.st, place); });
      return cpu.modify<T>(i, [&](InPlace<T>& place) {
        T value = place.value;
        Op::apply(cpu.st, value);
        place.value = value;
      });
    }
    T value = cpu.gpr<T>(i.rm);
    Op::apply(cpu.st, value);
    cpu.setGpr<T>(i.rm, value);
    return Outcome::kNext;
  }
};

// adcx and adox: one flag in and out, the others untouched.
template <unsigned kFlag>
struct AddOneFlag {
  template <class T, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    T from;
    if (!readRm<T, kMemory>(cpu, i, from)) return Outcome::kFault;
    const T to = cpu.gpr<T>(i.reg);
    const unsigned __int128 sum = static_cast<unsigned __int128>(to) + from + ((cpu.st.arith & kFlag) != 0 ? 1 : 0);
    cpu.setGpr<T>(i.reg, static_cast<T>(sum));
    const bool carry = (sum >> (sizeof(T) * 8)) != 0;
    cpu.st.arith = static_cast<std::uint16_t>((cpu.st.arith & ~kFlag) | (carry ? kFlag : 0U));
    return Outcome::kNext;
  }
};

}  // namespace

RHEA_EXEC_TABLE(add, Binary<Add>)
RHEA_EXEC_TABLE(or, Binary<Or>)
RHEA_EXEC_TABLE(adc, Binary<Adc>)
RHEA_EXEC_TABLE(sbb, Binary<Sbb>)
RHEA_EXEC_TABLE(and, Binary<And>)
RHEA_EXEC_TABLE(sub, Binary<Sub>)
RHEA_EXEC_TABLE(xor, Binary<Xor>)
RHEA_EXEC_TABLE(cmp, Comparison<Cmp>)
RHEA_EXEC_TABLE(test, Comparison<Test>)
RHEA_EXEC_TABLE(inc, Unary<Inc>)
RHEA_EXEC_TABLE(dec, Unary<Dec>)
RHEA_EXEC_TABLE(neg, Unary<Neg>)
RHEA_EXEC_TABLE(not, Unary<Not>)
RHEA_EXEC_TABLE(adcx, AddOneFlag<0x100>)
RHEA_EXEC_TABLE(adox, AddOneFlag<1>)

}  // namespace rhea::x86
