// State: one vCPU's architectural state as plain data, laid out for code that reaches it through one base register:
// what is used most lies in the first 256 bytes.
#pragma once

#include "emu/base/base.h"

namespace rhea::x86 {

enum Gpr : unsigned { kRax, kRcx, kRdx, kRbx, kRsp, kRbp, kRsi, kRdi };
// gpr[16] is always zero (no base, no index); gpr[17] is rip: within a block, of the block's first instruction.
constexpr unsigned kZeroRegister = 16;
constexpr unsigned kRipRegister = 17;

enum SegmentIndex : std::uint8_t { kEs, kCs, kSs, kDs, kFs, kGs };

// Bits of RFLAGS.
constexpr std::uint64_t kCf = 1, kPf = 4, kAf = 0x10, kZf = 0x40, kSf = 0x80, kTf = 0x100, kIf = 0x200, kDf = 0x400,
                        kOf = 0x800, kIopl = 0x3000, kNt = 0x4000, kRf = 0x10000, kVm = 0x20000, kAc = 0x40000,
                        kVif = 0x80000, kVip = 0x100000, kId = 0x200000;
constexpr std::uint64_t kArithmeticFlags = kCf | kPf | kAf | kZf | kSf | kOf;

constexpr std::uint64_t kCr0Pe = 1, kCr0Mp = 2, kCr0Em = 4, kCr0Ts = 8, kCr0Et = 0x10, kCr0Ne = 0x20, kCr0Wp = 0x10000,
                        kCr0Am = 0x40000, kCr0Nw = 0x20000000, kCr0Cd = 0x40000000, kCr0Pg = 0x80000000;
constexpr std::uint64_t kCr4Vme = 1, kCr4Pvi = 2, kCr4Tsd = 4, kCr4De = 8, kCr4Pse = 0x10, kCr4Pae = 0x20,
                        kCr4Mce = 0x40, kCr4Pge = 0x80, kCr4Pce = 0x100, kCr4Osfxsr = 0x200, kCr4Osxmmexcpt = 0x400,
                        kCr4Umip = 0x800, kCr4Fsgsbase = 0x10000, kCr4Pcide = 0x20000, kCr4Osxsave = 0x40000,
                        kCr4Smep = 0x100000, kCr4Smap = 0x200000;
constexpr std::uint64_t kEferSce = 1, kEferLme = 0x100, kEferLma = 0x400, kEferNxe = 0x800;

// A segment register with its hidden part. `attributes`: the descriptor's bits 40 to 55 (type, S, DPL, P, AVL, L, D/B,
// G; the limit's four bits are zero); `limit` is in bytes whatever G says.
struct Segment {
  std::uint16_t selector = 0;
  std::uint16_t attributes = 0;
  std::uint32_t limit = 0;
  std::uint64_t base = 0;

  unsigned type() const { return attributes & 0xf; }
  bool system() const { return (attributes & 0x10) == 0; }
  unsigned dpl() const { return (attributes >> 5) & 3; }
  bool present() const { return (attributes & 0x80) != 0; }
  bool longMode() const { return (attributes & 0x2000) != 0; }
  bool big() const { return (attributes & 0x4000) != 0; }
  bool granular() const { return (attributes & 0x8000) != 0; }
  bool code() const { return (attributes & 0x18) == 0x18; }
};

struct TableRegister {
  std::uint64_t base = 0;
  std::uint32_t limit = 0xffff;
};

struct alignas(32) Vector {
  std::array<std::uint8_t, 32> bytes{};
};

// x87 in 80 bits. `tags` has one bit per physical register: 1 = not empty.
struct alignas(16) Float80 {
  std::uint64_t mantissa = 0;
  std::uint16_t signExponent = 0;
};

struct Fpu {
  std::array<Float80, 8> registers;  // physical: st(i) is registers[(top + i) & 7]; MMX register i is registers[i]
  std::uint16_t control = 0x40;      // after reset; 0x37f after fninit
  std::uint16_t status = 0;          // with TOP in bits 11 to 13
  std::uint8_t tags = 0xff;
  std::uint16_t opcode = 0;
  std::uint16_t ipSelector = 0, dpSelector = 0;
  std::uint64_t ip = 0, dp = 0;

  unsigned top() const { return (status >> 11) & 7; }
};

// Model-specific registers that are memory only; the others are elsewhere in the state or in the local APIC.
struct Msrs {
  std::uint64_t efer = 0, star = 0, lstar = 0, cstar = 0, sfmask = 0, kernelGsBase = 0, tscAux = 0;
  std::uint64_t sysenterCs = 0, sysenterEsp = 0, sysenterEip = 0;
  std::uint64_t pat = 0x0007040600070406, miscEnable = 1, tscAdjust = 0, debugCtl = 0, xss = 0;
  std::uint64_t mtrrDefType = 0, specCtrl = 0;
  std::array<std::uint64_t, 16> mtrrVariable{};
  std::array<std::uint64_t, 11> mtrrFixed{};
  std::array<std::uint64_t, 40> machineCheck{};
  std::uint64_t machineCheckStatus = 0, machineCheckControl = 0;
};

struct State {
  std::array<std::uint64_t, 18> gpr{};
  // The six arithmetic flags as lahf and seto leave them in AX: SF:ZF:0:AF:0:PF:1:CF in the high byte, OF in bit 0.
  std::uint16_t arith = 0;
  std::uint8_t cpl = 0;
  std::uint8_t codeBytes = 2;  // 2, 4 or 8: the code segment's size, in long mode with CS.L 8
  std::uint32_t pending = 0;   // what the loop must see to at the next block's edge; other threads set bits
  // 0: translated code runs, and xmm or ymm and MXCSR are in the host's registers. Behind `pending`, as both are
  // compared with 0 at once.
  std::uint32_t vectorsAway = 1;
  std::uint64_t system = 2;  // RFLAGS without the arithmetic ones
  std::uint32_t mxcsr = 0x1f80;
  std::uint64_t xcr0 = 1;
  std::array<Segment, 6> segments;
  Segment ldtr, tr;
  TableRegister gdtr, idtr;
  std::uint64_t cr0 = 0x60000010, cr2 = 0, cr3 = 0, cr4 = 0, cr8 = 0;
  std::array<std::uint64_t, 4> pdpte{};  // PAE without long mode: loaded with CR3
  std::array<std::uint64_t, 8> dr{0, 0, 0, 0, 0, 0, 0xffff0ff0, 0x400};
  Msrs msr;
  Fpu fpu;
  std::array<Vector, 16> vector;

  bool longMode() const { return (msr.efer & kEferLma) != 0; }
  bool mode64() const { return codeBytes == 8; }
  bool protectedMode() const { return (cr0 & kCr0Pe) != 0; }
  bool v86() const { return (system & kVm) != 0; }
  unsigned iopl() const { return (system >> 12) & 3; }

  std::uint64_t arithmeticFlags() const {
    return ((arith >> 8) & (kCf | kPf | kAf | kZf | kSf)) | ((arith & 1U) << 11);
  }
  std::uint64_t rflags() const { return system | arithmeticFlags(); }
  void setArithmetic(std::uint64_t flags) {
    arith = static_cast<std::uint16_t>(((flags & (kCf | kPf | kAf | kZf | kSf)) << 8) | ((flags >> 11) & 1));
  }
  bool cf() const { return (arith & 0x100) != 0; }
  void setCf(bool value) { arith = static_cast<std::uint16_t>((arith & ~0x100U) | (value ? 0x100U : 0U)); }
};
static_assert(offsetof(State, vectorsAway) == offsetof(State, pending) + sizeof(std::uint32_t));

}  // namespace rhea::x86
