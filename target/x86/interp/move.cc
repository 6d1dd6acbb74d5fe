// Moves, exchanges, conditional moves and sets, addresses.
#include "target/x86/interp/operands.h"

namespace rhea::x86 {

namespace {

struct Move {
  template <class T, Form kForm, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    if constexpr (kForm == Form::kRegRm) {
      T value;
      if (!readRm<T, kMemory>(cpu, i, value)) return Outcome::kFault;
      cpu.setGpr<T>(i.reg, value);
      return Outcome::kNext;
    }
    const T value = kForm == Form::kRmReg ? cpu.gpr<T>(i.reg) : static_cast<T>(i.imm);
    return writeRm<T, kMemory>(cpu, i, value) ? Outcome::kNext : Outcome::kFault;
  }
};

// The address is in the instruction: its offset is the immediate.
bool offsetAddress(Cpu& cpu, const Insn& i, std::size_t size, AccessKind kind, std::uint64_t& address) {
  return cpu.segmented(i.segment(), static_cast<std::uint64_t>(i.imm), size, kind, address);
}
struct LoadOffset {
  template <class T>
  static Outcome body(Cpu& cpu, const Insn& i) {
    std::uint64_t address;
    T value;
    if (!offsetAddress(cpu, i, sizeof(T), AccessKind::kRead, address) || !cpu.load(address, value, i.segment())) {
      return Outcome::kFault;
    }
    cpu.setGpr<T>(0, value);
    return Outcome::kNext;
  }
};
struct StoreOffset {
  template <class T>
  static Outcome body(Cpu& cpu, const Insn& i) {
    std::uint64_t address;
    if (!offsetAddress(cpu, i, sizeof(T), AccessKind::kWrite, address)) return Outcome::kFault;
    return cpu.store(address, cpu.gpr<T>(0), i.segment()) ? Outcome::kNext : Outcome::kFault;
  }
};

template <class From, bool kSigned>
struct Extend {
  template <class T, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    From value;
    if (!readRm<From, kMemory>(cpu, i, value)) return Outcome::kFault;
    if constexpr (kSigned)
      cpu.setGpr<T>(i.reg, static_cast<T>(static_cast<std::make_signed_t<From>>(value)));
    else
      cpu.setGpr<T>(i.reg, static_cast<T>(value));
    return Outcome::kNext;
  }
};

struct Lea {
  template <class T>
  static Outcome body(Cpu& cpu, const Insn& i) {
    cpu.setGpr<T>(i.reg, static_cast<T>(i.slowAddress() ? cpu.effectiveMasked(i) : cpu.effective(i)));
    return Outcome::kNext;
  }
};

// With memory always atomic, lock or not.
struct Exchange {
  template <class T, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    const T value = cpu.gpr<T>(i.reg);
    if constexpr (kMemory) {
      T old;
      const Outcome outcome = cpu.modify<T>(i, [&](InPlace<T>& place) {
        old = value;
        asm volatile("xchg %0, %1" : "+r"(old), "+m"(place.value) : : "memory");
      });
      if (outcome == Outcome::kNext) cpu.setGpr<T>(i.reg, old);
      return outcome;
    }
    cpu.setGpr<T>(i.reg, cpu.gpr<T>(i.rm));
    cpu.setGpr<T>(i.rm, value);
    return Outcome::kNext;
  }
};

struct CompareExchange {
  template <class T>
  static void onHost(State& st, T& accumulator, InPlace<T>& place, T from) {
    std::uint16_t flags;
    std::uint64_t old = accumulator;
    asm volatile("mov %[old], %%rax\n\tlock cmpxchg %[from], %[place]\n\tmov %%rax, %[old]" RHEA_FLAGS_TO_AX
                 : [old] "+&r"(old), "=&a"(flags), [place] "+m"(place.value)
                 : [from] "r"(from)
                 : "cc", "memory");
    accumulator = static_cast<T>(old);
    st.arith = flags;
  }
  template <class T, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    const T expected = cpu.gpr<T>(0);
    const T from = cpu.gpr<T>(i.reg);
    T found = expected;
    if constexpr (kMemory) {
      const Outcome outcome = cpu.modify<T>(i, [&](InPlace<T>& place) { onHost(cpu.st, found, place, from); });
      if (outcome != Outcome::kNext) return outcome;
      if (found != expected) cpu.setGpr<T>(0, found);
      return Outcome::kNext;
    }
    InPlace<T> place{cpu.gpr<T>(i.rm)};
    onHost(cpu.st, found, place, from);
    if (found != expected)
      cpu.setGpr<T>(0, found);
    else
      cpu.setGpr<T>(i.rm, place.value);
    return Outcome::kNext;
  }
};

struct ExchangeAdd {
  template <class T, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    T value = cpu.gpr<T>(i.reg);
    std::uint16_t flags;
    if constexpr (kMemory) {
      const Outcome outcome = cpu.modify<T>(i, [&](InPlace<T>& place) {
        asm volatile("lock xadd %[value], %[place]" RHEA_FLAGS_TO_AX
                     : [value] "+r"(value), "=&a"(flags), [place] "+m"(place.value)
                     :
                     : "cc", "memory");
        cpu.st.arith = flags;
      });
      if (outcome != Outcome::kNext) return outcome;
      cpu.setGpr<T>(i.reg, value);
      return Outcome::kNext;
    }
    T to = cpu.gpr<T>(i.rm);
    asm("xadd %[value], %[to]" RHEA_FLAGS_TO_AX : [value] "+r"(value), "=&a"(flags), [to] "+r"(to) : : "cc");
    cpu.st.arith = flags;
    cpu.setGpr<T>(i.reg, value);
    cpu.setGpr<T>(i.rm, to);
    return Outcome::kNext;
  }
};

void setZero(State& st, bool zero) {
  st.arith = static_cast<std::uint16_t>((st.arith & ~0x4000U) | (zero ? 0x4000U : 0U));
}

template <unsigned kCode>
struct ConditionalMove {
  template <class T, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    T value;
    if (!readRm<T, kMemory>(cpu, i, value)) return Outcome::kFault;
    // A 32-bit destination's upper half is cleared in either case.
    cpu.setGpr<T>(i.reg, condition<kCode>(cpu.st) ? value : cpu.gpr<T>(i.reg));
    return Outcome::kNext;
  }
};
template <unsigned kCode>
struct SetByte {
  template <class, Form, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    const std::uint8_t value = condition<kCode>(cpu.st) ? 1 : 0;
    return writeRm<std::uint8_t, kMemory>(cpu, i, value) ? Outcome::kNext : Outcome::kFault;
  }
};

}  // namespace

RHEA_EXEC_TABLE(mov, Move)
RHEA_EXEC_TABLE(mov_load_offset, LoadOffset)
RHEA_EXEC_TABLE(mov_store_offset, StoreOffset)
RHEA_EXEC_TABLE(movnti, Move)
RHEA_EXEC_TABLE(movzx_b, Extend<std::uint8_t, false>)
RHEA_EXEC_TABLE(movzx_w, Extend<std::uint16_t, false>)
RHEA_EXEC_TABLE(movsx_b, Extend<std::uint8_t, true>)
RHEA_EXEC_TABLE(movsx_w, Extend<std::uint16_t, true>)
RHEA_EXEC_TABLE(movsxd, Extend<std::uint32_t, true>)
RHEA_EXEC_TABLE(lea, Lea)
RHEA_EXEC_TABLE(xchg, Exchange)
RHEA_EXEC_TABLE(cmpxchg, CompareExchange)
RHEA_EXEC_TABLE(xadd, ExchangeAdd)

#define RHEA_CONDITIONAL(code)                       \
  RHEA_EXEC_TABLE(cmov##code, ConditionalMove<code>) \
  RHEA_EXEC_TABLE(set##code, SetByte<code>)
RHEA_CONDITIONAL(0)
RHEA_CONDITIONAL(1)
RHEA_CONDITIONAL(2)
RHEA_CONDITIONAL(3)
RHEA_CONDITIONAL(4)
RHEA_CONDITIONAL(5)
RHEA_CONDITIONAL(6)
RHEA_CONDITIONAL(7)
RHEA_CONDITIONAL(8)
RHEA_CONDITIONAL(9)
RHEA_CONDITIONAL(10)
RHEA_CONDITIONAL(11)
RHEA_CONDITIONAL(12)
RHEA_CONDITIONAL(13)
RHEA_CONDITIONAL(14)
RHEA_CONDITIONAL(15)

RHEA_EXEC(cmpxchg8b) {
  State& st = cpu.st;
  std::uint64_t expected = (st.gpr[kRdx] << 32) | (st.gpr[kRax] & 0xffffffff);
  const std::uint64_t desired = (st.gpr[kRcx] << 32) | (st.gpr[kRbx] & 0xffffffff);
  const std::uint64_t before = expected;
  const Outcome outcome = cpu.modify<std::uint64_t>(i, [&](InPlace<std::uint64_t>& place) {
    asm volatile("lock cmpxchg %[desired], %[place]"
                 : "+a"(expected), [place] "+m"(place.value)
                 : [desired] "r"(desired)
                 : "cc", "memory");
  });
  if (outcome != Outcome::kNext) return outcome;
  setZero(st, expected == before);
  if (expected != before) {
    st.gpr[kRax] = expected & 0xffffffff;
    st.gpr[kRdx] = expected >> 32;
  }
  return Outcome::kNext;
}

RHEA_EXEC(cmpxchg16b) {
  State& st = cpu.st;
  std::uint64_t address;
  if (!cpu.linear(i, 16, AccessKind::kWrite, address)) return Outcome::kFault;
  if ((address & 15) != 0) return cpu.generalProtection();
  std::uint64_t low = st.gpr[kRax];
  std::uint64_t high = st.gpr[kRdx];
  bool equal = false;
  const Outcome outcome = cpu.modifyAt<unsigned __int128>(address, i.segment(), [&](InPlace<unsigned __int128>& place) {
    alignas(16) unsigned __int128 aligned;
    const bool direct = (reinterpret_cast<std::uintptr_t>(&place) & 15) == 0;
    unsigned __int128* const at = direct ? place.host() : &aligned;
    if (!direct) std::memcpy(&aligned, &place, 16);
    asm volatile("lock cmpxchg16b %[place]"
                 : "+a"(low), "+d"(high), [place] "+m"(*at), "=@ccz"(equal)
                 : "b"(st.gpr[kRbx]), "c"(st.gpr[kRcx])
                 : "memory");
    if (!direct) std::memcpy(&place, &aligned, 16);
  });
  if (outcome != Outcome::kNext) return outcome;
  setZero(st, equal);
  if (!equal) {
    st.gpr[kRax] = low;
    st.gpr[kRdx] = high;
  }
  return Outcome::kNext;
}

RHEA_EXEC(xlat) {
  std::uint64_t mask = i.addressBytes() == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (i.addressBytes() * 8)) - 1;
  const std::uint64_t offset = (cpu.st.gpr[kRbx] + (cpu.st.gpr[kRax] & 0xff)) & mask;
  std::uint64_t address;
  std::uint8_t value;
  if (!cpu.segmented(i.segment(), offset, 1, AccessKind::kRead, address) || !cpu.load(address, value, i.segment())) {
    return Outcome::kFault;
  }
  cpu.setGpr<std::uint8_t>(0, value);
  return Outcome::kNext;
}

}  // namespace rhea::x86
