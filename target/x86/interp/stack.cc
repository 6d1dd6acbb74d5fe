// push, pop, pusha, popa, enter, leave, pushf, popf.
#include "target/x86/interp/operands.h"

namespace rhea::x86 {

namespace {

// In 64-bit mode with 8 bytes the stack is flat: the common case by far.
template <class T>
inline bool pushFlat(Cpu& cpu, T value) {
  const std::uint64_t top = cpu.st.gpr[kRsp] - sizeof(T);
  if (!cpu.store<T>(top, value, kSs)) return false;
  cpu.st.gpr[kRsp] = top;
  return true;
}

struct Push {
  template <class T, Form kForm, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    if constexpr (sizeof(T) == 1) return cpu.undefined();
    T value;
    if (!readRm<T, kMemory>(cpu, i, value)) return Outcome::kFault;
    if constexpr (sizeof(T) == 8) return pushFlat(cpu, value) ? Outcome::kNext : Outcome::kFault;
    return cpu.push(value, sizeof(T)) ? Outcome::kNext : Outcome::kFault;
  }
};

struct PushImmediate {
  template <class T>
  static Outcome body(Cpu& cpu, const Insn& i) {
    if constexpr (sizeof(T) == 8) return pushFlat(cpu, static_cast<T>(i.imm)) ? Outcome::kNext : Outcome::kFault;
    return cpu.push(static_cast<T>(i.imm), sizeof(T)) ? Outcome::kNext : Outcome::kFault;
  }
};

struct Pop {
  template <class T, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    State& st = cpu.st;
    const std::uint64_t before = st.gpr[kRsp];
    if constexpr (sizeof(T) == 8) {
      T value;
      if (!cpu.load(before, value, kSs)) return Outcome::kFault;
      st.gpr[kRsp] = before + 8;
      if (writeRm<T, kMemory>(cpu, i, value)) return Outcome::kNext;
    } else {
      std::uint64_t value;
      if (!cpu.pop(value, sizeof(T))) return Outcome::kFault;
      if (writeRm<T, kMemory>(cpu, i, static_cast<T>(value))) return Outcome::kNext;
    }
    // A destination addressed through rsp counts with the pop done; a fault undoes it.
    st.gpr[kRsp] = before;
    return Outcome::kFault;
  }
};

template <SegmentIndex kIndex>
Outcome pushSegment(Cpu& cpu, const Insn& i) {
  const std::size_t size = i.operandBytes();
  // 32 and 64 bits: the upper part is zero.
  return cpu.push(cpu.st.segments[kIndex].selector, size) ? Outcome::kNext : Outcome::kFault;
}
template <SegmentIndex kIndex>
Outcome popSegment(Cpu& cpu, const Insn& i) {
  const std::uint64_t before = cpu.st.gpr[kRsp];
  std::uint64_t value;
  if (!cpu.pop(value, i.operandBytes())) return Outcome::kFault;
  if (!cpu.loadSegment(kIndex, static_cast<std::uint16_t>(value))) {
    cpu.st.gpr[kRsp] = before;
    return Outcome::kFault;
  }
  if constexpr (kIndex == kSs) cpu.inhibitForSs();
  return cpu.edge(i);
}

}  // namespace

RHEA_EXEC_TABLE(push, Push)
RHEA_EXEC_TABLE(push_imm, PushImmediate)
RHEA_EXEC_TABLE(pop, Pop)
RHEA_EXEC_BODY(push_es, &pushSegment<kEs>)
RHEA_EXEC_BODY(push_cs, &pushSegment<kCs>)
RHEA_EXEC_BODY(push_ss, &pushSegment<kSs>)
RHEA_EXEC_BODY(push_ds, &pushSegment<kDs>)
RHEA_EXEC_BODY(push_fs, &pushSegment<kFs>)
RHEA_EXEC_BODY(push_gs, &pushSegment<kGs>)
RHEA_EXEC_BODY(pop_es, &popSegment<kEs>)
RHEA_EXEC_BODY(pop_ss, &popSegment<kSs>)
RHEA_EXEC_BODY(pop_ds, &popSegment<kDs>)
RHEA_EXEC_BODY(pop_fs, &popSegment<kFs>)
RHEA_EXEC_BODY(pop_gs, &popSegment<kGs>)

RHEA_EXEC(pusha) {
  const std::uint64_t before = cpu.st.gpr[kRsp];
  const std::size_t size = i.operandBytes();
  for (unsigned n = 0; n < 8; ++n) {
    if (!cpu.push(n == kRsp ? before : cpu.st.gpr[n], size)) {
      cpu.st.gpr[kRsp] = before;
      return Outcome::kFault;
    }
  }
  return Outcome::kNext;
}

RHEA_EXEC(popa) {
  const std::uint64_t before = cpu.st.gpr[kRsp];
  const std::size_t size = i.operandBytes();
  std::array<std::uint64_t, 8> values{};
  for (unsigned n = 8; n-- > 0;) {
    if (!cpu.pop(values[n], size)) {
      cpu.st.gpr[kRsp] = before;
      return Outcome::kFault;
    }
  }
  for (unsigned n = 0; n < 8; ++n) {
    if (n == kRsp) continue;
    if (size == 2)
      cpu.setGpr<std::uint16_t>(static_cast<std::uint8_t>(n * 8), static_cast<std::uint16_t>(values[n]));
    else
      cpu.setGpr<std::uint32_t>(static_cast<std::uint8_t>(n * 8), static_cast<std::uint32_t>(values[n]));
  }
  return Outcome::kNext;
}

RHEA_EXEC(pushf) {
  const State& st = cpu.st;
  std::uint64_t value = st.rflags() & ~(kRf | kVm);
  if (st.v86() && st.iopl() < 3) {
    // With VME the program sees VIF as its IF, and IOPL 3.
    if ((st.cr4 & kCr4Vme) == 0 || i.operandBytes() != 2) return cpu.generalProtection();
    value = (value & ~kIf) | kIopl | ((st.system & kVif) != 0 ? kIf : 0);
  }
  return cpu.push(value, i.operandBytes()) ? Outcome::kNext : Outcome::kFault;
}

RHEA_EXEC(popf) {
  State& st = cpu.st;
  const bool virtualised = st.v86() && st.iopl() < 3;
  if (virtualised && ((st.cr4 & kCr4Vme) == 0 || i.operandBytes() != 2)) return cpu.generalProtection();
  std::uint64_t value;
  const std::uint64_t before = st.gpr[kRsp];
  if (!cpu.pop(value, i.operandBytes())) return Outcome::kFault;
  if (virtualised) {
    if ((value & kTf) != 0 || ((value & kIf) != 0 && (st.system & kVip) != 0)) {
      st.gpr[kRsp] = before;
      return cpu.generalProtection();
    }
    st.system = (st.system & ~kVif) | ((value & kIf) != 0 ? kVif : 0);
  }
  std::uint64_t mask = kArithmeticFlags | kTf | kDf | kNt | kAc | kId;
  const unsigned level = st.protectedMode() ? st.cpl : 0U;
  if (level == 0) mask |= kIopl;
  if (level <= st.iopl()) mask |= kIf;
  if (i.operandBytes() == 2) mask &= 0xffff;
  cpu.setRflags(value, mask);
  if (i.operandBytes() != 2) st.system &= ~kRf;
  return cpu.edge(i);
}

RHEA_EXEC(leave) {
  State& st = cpu.st;
  const std::uint64_t before = st.gpr[kRsp];
  cpu.setStackPointer(st.gpr[kRbp]);
  std::uint64_t value;
  if (!cpu.pop(value, i.operandBytes())) {
    st.gpr[kRsp] = before;
    return Outcome::kFault;
  }
  if (i.operandBytes() == 2)
    cpu.setGpr<std::uint16_t>(kRbp * 8, static_cast<std::uint16_t>(value));
  else if (i.operandBytes() == 4)
    cpu.setGpr<std::uint32_t>(kRbp * 8, static_cast<std::uint32_t>(value));
  else
    st.gpr[kRbp] = value;
  return Outcome::kNext;
}

RHEA_EXEC(enter) {
  State& st = cpu.st;
  const std::size_t size = i.operandBytes();
  const std::uint64_t before = st.gpr[kRsp];
  const auto frame = static_cast<std::uint64_t>(i.imm & 0xffff);
  const unsigned level = static_cast<unsigned>(i.imm >> 16) & 31;
  const auto undo = [&] {
    st.gpr[kRsp] = before;
    return Outcome::kFault;
  };
  if (!cpu.push(st.gpr[kRbp], size)) return undo();
  const std::uint64_t top = st.gpr[kRsp];
  const std::uint64_t mask = cpu.stackMask();
  std::uint64_t base = st.gpr[kRbp];
  for (unsigned n = 1; n < level; ++n) {
    base -= size;
    std::uint64_t address;
    std::uint64_t value = 0;
    if (!cpu.segmented(kSs, base & mask, size, AccessKind::kRead, address) ||
        !cpu.loadBytes(address, &value, size, kSs) || !cpu.push(value, size)) {
      return undo();
    }
  }
  if (level > 0 && !cpu.push(top, size)) return undo();
  cpu.setStackPointer(st.gpr[kRsp] - frame);
  // A stack that cannot be written at its new top faults now.
  std::uint64_t address;
  std::uint8_t* host;
  if (!cpu.segmented(kSs, st.gpr[kRsp] & mask, size, AccessKind::kWrite, address) ||
      !cpu.writable(address, size, kSs, host)) {
    return undo();
  }
  if (size == 2)
    cpu.setGpr<std::uint16_t>(kRbp * 8, static_cast<std::uint16_t>(top));
  else if (size == 4)
    cpu.setGpr<std::uint32_t>(kRbp * 8, static_cast<std::uint32_t>(top));
  else
    st.gpr[kRbp] = top;
  return Outcome::kNext;
}

}  // namespace rhea::x86
