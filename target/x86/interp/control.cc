// Near jumps, calls, returns, loops.
#include "target/x86/block.h"
#include "target/x86/interp/operands.h"

namespace rhea::x86 {

namespace {

// Near targets: 64-bit mode takes 8 bytes whatever the prefixes say; elsewhere the operand size cuts rip, and the code
// segment's limit is checked.
template <class T>
inline bool go(Cpu& cpu, std::uint64_t target) {
  if constexpr (sizeof(T) == 8) {
    if (!cpu.canonical(target)) [[unlikely]]
      return cpu.fail(kGeneralProtection);
    cpu.st.gpr[kRipRegister] = target;
    return true;
  }
  return cpu.jumpNear(static_cast<T>(target));
}

template <unsigned kCode>
struct JumpIf {
  template <class T>
  static Outcome body(Cpu& cpu, const Insn& i) {
    if (!condition<kCode>(cpu.st)) {
      cpu.st.gpr[kRipRegister] = cpu.nextRip(i);
      return Outcome::kLinked0;
    }
    if (!go<T>(cpu, cpu.nextRip(i) + static_cast<std::uint64_t>(i.imm))) return Outcome::kFault;
    return Outcome::kLinked1;
  }
};

struct Jump {
  template <class T>
  static Outcome body(Cpu& cpu, const Insn& i) {
    return go<T>(cpu, cpu.nextRip(i) + static_cast<std::uint64_t>(i.imm)) ? Outcome::kLinked1 : Outcome::kFault;
  }
};
struct JumpIndirect {
  template <class T, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    T target;
    if (!readRm<T, kMemory>(cpu, i, target)) return Outcome::kFault;
    return go<T>(cpu, target) ? Outcome::kIndirect : Outcome::kFault;
  }
};

// The target is checked first: a push that faults must find rip as it was.
template <class T>
inline bool callTo(Cpu& cpu, const Insn& i, std::uint64_t target) {
  const std::uint64_t back = cpu.nextRip(i);
  const std::uint64_t here = cpu.st.gpr[kRipRegister];
  if (!go<T>(cpu, target)) return false;
  if constexpr (sizeof(T) == 8) {
    const std::uint64_t top = cpu.st.gpr[kRsp] - 8;
    if (cpu.store<std::uint64_t>(top, back, kSs)) [[likely]] {
      cpu.st.gpr[kRsp] = top;
      return true;
    }
  } else if (cpu.push(back, sizeof(T))) {
    return true;
  }
  cpu.st.gpr[kRipRegister] = here;
  return false;
}
struct Call {
  template <class T>
  static Outcome body(Cpu& cpu, const Insn& i) {
    return callTo<T>(cpu, i, cpu.nextRip(i) + static_cast<std::uint64_t>(i.imm)) ? Outcome::kLinked1 : Outcome::kFault;
  }
};
struct CallIndirect {
  template <class T, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    T target;
    if (!readRm<T, kMemory>(cpu, i, target)) return Outcome::kFault;
    return callTo<T>(cpu, i, target) ? Outcome::kIndirect : Outcome::kFault;
  }
};

template <bool kDrop>
struct Return {
  template <class T>
  static Outcome body(Cpu& cpu, const Insn& i) {
    State& st = cpu.st;
    const std::uint64_t before = st.gpr[kRsp];
    if constexpr (sizeof(T) == 8) {
      std::uint64_t target;
      if (!cpu.load(before, target, kSs) || !go<T>(cpu, target)) return Outcome::kFault;
      st.gpr[kRsp] = before + 8 + (kDrop ? static_cast<std::uint64_t>(i.imm) : 0);
      return Outcome::kIndirect;
    }
    std::uint64_t target;
    if (!cpu.pop(target, sizeof(T))) return Outcome::kFault;
    if (!go<T>(cpu, target)) {
      st.gpr[kRsp] = before;
      return Outcome::kFault;
    }
    if constexpr (kDrop) cpu.setStackPointer(st.gpr[kRsp] + static_cast<std::uint64_t>(i.imm));
    return Outcome::kIndirect;
  }
};

std::uint64_t counter(const Cpu& cpu, const Insn& i) {
  const std::uint64_t value = cpu.st.gpr[kRcx];
  return i.addressBytes() == 8 ? value : value & ((std::uint64_t{1} << (i.addressBytes() * 8)) - 1);
}
void setCounter(Cpu& cpu, const Insn& i, std::uint64_t value) {
  if (i.addressBytes() == 2)
    cpu.setGpr<std::uint16_t>(kRcx * 8, static_cast<std::uint16_t>(value));
  else if (i.addressBytes() == 4)
    cpu.setGpr<std::uint32_t>(kRcx * 8, static_cast<std::uint32_t>(value));
  else
    cpu.st.gpr[kRcx] = value;
}

// kZero: what ZF must be; 2: does not matter.
template <unsigned kZero>
struct Loop {
  template <class T>
  static Outcome body(Cpu& cpu, const Insn& i) {
    const std::uint64_t left = counter(cpu, i) - 1;
    const bool zero = condition<4>(cpu.st);
    const std::uint64_t masked =
        i.addressBytes() == 8 ? left : left & ((std::uint64_t{1} << (i.addressBytes() * 8)) - 1);
    if (masked != 0 && (kZero == 2 || zero == (kZero == 1))) {
      if (!go<T>(cpu, cpu.nextRip(i) + static_cast<std::uint64_t>(i.imm))) return Outcome::kFault;
      setCounter(cpu, i, left);
      return Outcome::kLinked1;
    }
    setCounter(cpu, i, left);
    cpu.st.gpr[kRipRegister] = cpu.nextRip(i);
    return Outcome::kLinked0;
  }
};
struct JumpIfCounterZero {
  template <class T>
  static Outcome body(Cpu& cpu, const Insn& i) {
    if (counter(cpu, i) != 0) {
      cpu.st.gpr[kRipRegister] = cpu.nextRip(i);
      return Outcome::kLinked0;
    }
    return go<T>(cpu, cpu.nextRip(i) + static_cast<std::uint64_t>(i.imm)) ? Outcome::kLinked1 : Outcome::kFault;
  }
};

}  // namespace

bool Cpu::jumpNear(std::uint64_t target) {
  if (!st.mode64() && target > st.segments[kCs].limit) return fail(kGeneralProtection);
  if (st.mode64() && !canonical(target)) return fail(kGeneralProtection);
  st.gpr[kRipRegister] = target;
  return true;
}

RHEA_EXEC_BRANCH(j0, JumpIf<0>)
RHEA_EXEC_BRANCH(j1, JumpIf<1>)
RHEA_EXEC_BRANCH(j2, JumpIf<2>)
RHEA_EXEC_BRANCH(j3, JumpIf<3>)
RHEA_EXEC_BRANCH(j4, JumpIf<4>)
RHEA_EXEC_BRANCH(j5, JumpIf<5>)
RHEA_EXEC_BRANCH(j6, JumpIf<6>)
RHEA_EXEC_BRANCH(j7, JumpIf<7>)
RHEA_EXEC_BRANCH(j8, JumpIf<8>)
RHEA_EXEC_BRANCH(j9, JumpIf<9>)
RHEA_EXEC_BRANCH(j10, JumpIf<10>)
RHEA_EXEC_BRANCH(j11, JumpIf<11>)
RHEA_EXEC_BRANCH(j12, JumpIf<12>)
RHEA_EXEC_BRANCH(j13, JumpIf<13>)
RHEA_EXEC_BRANCH(j14, JumpIf<14>)
RHEA_EXEC_BRANCH(j15, JumpIf<15>)
RHEA_EXEC_BRANCH(jmp, Jump)
RHEA_EXEC_BRANCH(jmp_indirect, JumpIndirect)
RHEA_EXEC_BRANCH(call, Call)
RHEA_EXEC_BRANCH(call_indirect, CallIndirect)
RHEA_EXEC_BRANCH(ret, Return<false>)
RHEA_EXEC_BRANCH(ret_imm, Return<true>)
RHEA_EXEC_BRANCH(loopne, Loop<0>)
RHEA_EXEC_BRANCH(loope, Loop<1>)
RHEA_EXEC_BRANCH(loop, Loop<2>)
RHEA_EXEC_BRANCH(jrcxz, JumpIfCounterZero)

}  // namespace rhea::x86
