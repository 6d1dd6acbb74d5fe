#include "target/x86/fpu/quick.h"

#include "target/x86/fpu/native.h"

// The functions called are those of fpu/native.cc: one x87 instruction and a return. Each gives the status word.
//   top(st0, memory, function)        st(0) in, st(0) out
//   push(to, memory, function)        nothing in, st(0) out
//   eat(st0, memory, function)        st(0) in, which the instruction pops
//   two(st0, other, function)         st(0) and st(1) in, both out
//   flags(st0, other, function)       likewise; gives EFLAGS above the status word
asm(R"(
.text
.balign 16
rhea_x87_top:
  fldt (%rdi)
  call *%rdx
  fnstsw %ax
  fstpt (%rdi)
  ret
rhea_x87_push:
  call *%rdx
  fnstsw %ax
  fstpt (%rdi)
  ret
rhea_x87_eat:
  fldt (%rdi)
  call *%rdx
  fnstsw %ax
  ret
rhea_x87_two:
  fldt (%rsi)
  fldt (%rdi)
  call *%rdx
  fnstsw %ax
  fstpt (%rdi)
  fstpt (%rsi)
  ret
rhea_x87_flags:
  fldt (%rsi)
  fldt (%rdi)
  call *%rdx
  pushfq
  pop %rcx
  fnstsw %ax
  fstpt (%rdi)
  fstpt (%rsi)
  shl $16, %ecx
  movzwl %ax, %eax
  or %ecx, %eax
  ret
)");

extern "C" {
std::uint32_t rhea_x87_top(void* st0, void* memory, const void* function);
std::uint32_t rhea_x87_push(void* to, void* memory, const void* function);
std::uint32_t rhea_x87_eat(void* st0, void* memory, const void* function);
std::uint32_t rhea_x87_two(void* st0, void* other, const void* function);
std::uint32_t rhea_x87_flags(void* st0, void* other, const void* function);
}

namespace rhea::x86::fpu {
namespace {

enum class Way : std::uint8_t {
  kLong,
  kTop,   // st(0) changes; with a second operand in memory or none
  kTest,  // st(0) is looked at: all condition bits
  kPush,
  kEat,      // st(0) goes to memory or is compared with it
  kTwo,      // st(0) and st(i), one of them changes
  kCompare,  // st(0) and st(i): all condition bits
  kFlags,    // likewise, into EFLAGS
  kCopy,     // st(0) to st(i)
  kLoad,     // st(i) onto the stack
  kSwap,
};

struct Plan {
  Way way = Way::kLong;
  std::uint8_t opcode = 0;  // of the instruction that is executed
  std::uint8_t modrm = 0;   // with memory: the reg field
  std::uint8_t pops = 0;
  bool conditions = false;  // all four condition bits are the result, else C1 alone
};

constexpr Plan memoryPlan(unsigned opcode, unsigned reg) {
  const auto op = static_cast<std::uint8_t>(opcode);
  const auto r = static_cast<std::uint8_t>(reg);
  if ((opcode & 1) == 0) {
    // Arithmetic. The comparison that pops stands for both.
    if (reg == 2 || reg == 3) return {Way::kEat, op, 3, static_cast<std::uint8_t>(reg - 2), true};
    return {Way::kTop, op, r, 0, false};
  }
  if (reg == 0) return {Way::kPush, op, 0, 0, false};
  if (reg == 1 && opcode != 0xd9) return {Way::kEat, op, 1, 1, false};
  if (reg == 2 || reg == 3) return {Way::kEat, op, 3, static_cast<std::uint8_t>(reg - 2), false};
  if ((opcode == 0xdf && (reg == 4 || reg == 5)) || (opcode == 0xdb && reg == 5)) return {Way::kPush, op, r, 0, false};
  if ((opcode == 0xdf && (reg == 6 || reg == 7)) || (opcode == 0xdb && reg == 7)) return {Way::kEat, op, r, 1, false};
  return {};
}

constexpr Plan registerPlan(unsigned opcode, unsigned modrm) {
  const unsigned reg = modrm >> 3 & 7;
  const unsigned rm = modrm & 7;
  const auto onSecond = [&](unsigned first) { return static_cast<std::uint8_t>(first | reg << 3 | 1); };
  const bool comparison = reg == 2 || reg == 3;
  switch (opcode) {
    case 0xd8:
      if (comparison) return {Way::kCompare, 0xd8, 0xd1, static_cast<std::uint8_t>(reg - 2), true};
      return {Way::kTwo, 0xd8, onSecond(0xc0), 0, false};
    case 0xdc:
    case 0xde:
      if (modrm == 0xd9 && opcode == 0xde) return {Way::kCompare, 0xd8, 0xd1, 2, true};
      if (comparison) return {};
      return {Way::kTwo, 0xdc, onSecond(0xc0), static_cast<std::uint8_t>(opcode == 0xde), false};
    case 0xda:
      return modrm == 0xe9 ? Plan{Way::kCompare, 0xdd, 0xe1, 2, true} : Plan{};
    case 0xdb:
    case 0xdf:
      if (reg == 5 || reg == 6)
        return {Way::kFlags, 0xdb, onSecond(0xc0), static_cast<std::uint8_t>(opcode == 0xdf), false};
      return {};
    case 0xdd:
      if (comparison) return {Way::kCopy, 0, 0, static_cast<std::uint8_t>(reg - 2), false};
      if (reg == 4 || reg == 5) return {Way::kCompare, 0xdd, 0xe1, static_cast<std::uint8_t>(reg - 4), true};
      return {};
    default:
      break;
  }
  if (reg == 0) return {Way::kLoad, 0, 0, 0, false};
  if (reg == 1) return {Way::kSwap, 0, 0, 0, false};
  const auto byte = static_cast<std::uint8_t>(modrm);
  if (reg == 4 && (rm == 4 || rm == 5)) return {Way::kTest, 0xd9, byte, 0, true};
  if (reg == 4 && rm < 2) return {Way::kTop, 0xd9, byte, 0, false};
  if (reg == 5 && rm < 7) return {Way::kPush, 0xd9, byte, 0, false};
  if (reg == 7 && (rm == 2 || rm == 4)) return {Way::kTop, 0xd9, byte, 0, false};  // fsqrt, frndint
  return {};
}

struct Plans {
  std::array<std::array<Plan, 8>, 8> memory{};
  std::array<std::array<Plan, 64>, 8> registers{};
};
constexpr Plans makePlans() {
  Plans plans;
  for (unsigned op = 0; op < 8; ++op) {
    for (unsigned reg = 0; reg < 8; ++reg) plans.memory[op][reg] = memoryPlan(0xd8 + op, reg);
    for (unsigned m = 0; m < 64; ++m) plans.registers[op][m] = registerPlan(0xd8 + op, 0xc0 + m);
  }
  return plans;
}
constexpr Plans kPlans = makePlans();

constexpr std::uint16_t kC1 = 0x200;

// The host's control word is the guest's while this lives.
class ControlScope {
 public:
  explicit ControlScope(std::uint16_t control) : changed_(control != kControlInitial) {
    if (changed_) asm volatile("fldcw %0" : : "m"(control));
  }
  ~ControlScope() {
    if (changed_) asm volatile("fldcw %0" : : "m"(kControlInitial));
  }
  ControlScope(const ControlScope&) = delete;
  ControlScope& operator=(const ControlScope&) = delete;

 private:
  bool changed_;
};

// The SDM says that fcomi clears C1; AMD's CPUs leave it. fxam of a negative number sets it.
bool fcomiClearsC1() {
  static const bool clears = [] {
    std::uint16_t status;
    asm volatile("fninit; fld1; fchs; fxam; fcomi %%st(0), %%st; fnstsw %0; fninit" : "=m"(status) : : "cc");
    return (status & kC1) == 0;
  }();
  return clears;
}

std::uint32_t run(const Plan& plan, Float80& st0, Float80& other, void* memory) {
  const void* const function =
      memory ? instructionOnMemory(plan.opcode, plan.modrm) : instructionOnRegisters(plan.opcode, plan.modrm);
  switch (plan.way) {
    case Way::kTop:
    case Way::kTest:
      return rhea_x87_top(&st0, memory, function);
    case Way::kPush:
      return rhea_x87_push(&st0, memory, function);
    case Way::kEat:
      return rhea_x87_eat(&st0, memory, function);
    case Way::kFlags:
      return rhea_x87_flags(&st0, &other, function);
    default:
      return rhea_x87_two(&st0, &other, function);
  }
}

}  // namespace

bool quick(Fpu& fpu, unsigned opcode, unsigned modrm, void* memory, std::uint64_t& flags) {
  const Plan& plan = memory ? kPlans.memory[opcode & 7][modrm & 7] : kPlans.registers[opcode & 7][modrm & 63];
  if (plan.way == Way::kLong || (fpu.control & 0x3f) != 0x3f) return false;
  const bool second = !memory && plan.way >= Way::kTwo;
  const unsigned index = second ? modrm & 7 : 0;
  if (second && index == 0 && plan.way != Way::kLoad) return false;
  const bool pushes = plan.way == Way::kPush || plan.way == Way::kLoad;
  const unsigned top = fpu.top();
  const unsigned target = pushes ? (top - 1) & 7 : top;
  const unsigned other = (top + index) & 7;
  const auto inUse = [&](unsigned n) { return (fpu.tags >> n & 1) != 0; };
  if (inUse(target) == pushes) return false;
  if (second && plan.way != Way::kCopy && !inUse(other)) return false;

  std::uint32_t result = 0;
  Float80& st0 = fpu.registers[target];
  Float80& sti = fpu.registers[other];
  if (plan.way == Way::kCopy) {
    sti = st0;
    fpu.tags |= static_cast<std::uint8_t>(1u << other);
  } else if (plan.way == Way::kLoad) {
    st0 = sti;
  } else if (plan.way == Way::kSwap) {
    std::swap(st0, sti);
  } else {
    const ControlScope scope(fpu.control);
    result = run(plan, st0, sti, memory);
    if (result & kStatusSticky) asm volatile("fnclex");
  }
  const bool keepsAll = plan.way == Way::kFlags && !fcomiClearsC1();
  const std::uint16_t conditions = plan.conditions ? kStatusConditions : keepsAll ? std::uint16_t{0} : kC1;
  fpu.status = static_cast<std::uint16_t>((fpu.status & ~conditions) | (result & (conditions | kStatusSticky)));
  if (plan.way == Way::kFlags) flags = result >> 16;
  if (pushes) fpu.tags |= static_cast<std::uint8_t>(1u << target);
  unsigned newTop = target;
  for (unsigned n = 0; n < plan.pops; ++n) {
    fpu.tags &= static_cast<std::uint8_t>(~(1u << newTop));
    newTop = (newTop + 1) & 7;
  }
  fpu.status = static_cast<std::uint16_t>((fpu.status & ~kStatusTop) | newTop << 11);
  return true;
}

}  // namespace rhea::x86::fpu
