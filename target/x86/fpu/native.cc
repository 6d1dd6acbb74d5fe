#include "target/x86/fpu/native.h"

#include "target/x86/fpu/pending.h"
#include "target/x86/fpu/quick.h"

// Every x87 instruction as a function of four bytes: the instruction, a return, one byte of filling. Those with a
// register by opcode and lower six bits of ModRM, those with memory, at (%rsi), by opcode and ModRM.reg.
// rhea_x87_run(image, memory, function, flags) -> flags.
asm(R"(
.text
.balign 16
rhea_x87_registers:
.set n, 0
.rept 512
.byte 0xd8 + n / 64, 0xc0 + n % 64, 0xc3, 0x90
.set n, n + 1
.endr
rhea_x87_memory:
.set n, 0
.rept 64
.byte 0xd8 + n / 8, (n % 8) * 8 + 6, 0xc3, 0x90
.set n, n + 1
.endr
rhea_x87_run:
  frstor (%rdi)
  push %rcx
  popfq
  call *%rdx
  pushfq
  pop %rax
  fnsave (%rdi)
  ret
)");

extern "C" {
extern const std::uint8_t rhea_x87_registers[];
extern const std::uint8_t rhea_x87_memory[];
std::uint64_t rhea_x87_run(void* image, void* memory, const void* function, std::uint64_t flags);
}

namespace rhea::x86::fpu {
namespace {

// Of these, one that is unmasked keeps a destination in memory from being written, and a register for the first three.
constexpr std::uint16_t kBeforeStore = 0x1f;

Image imageOf(const Fpu& fpu) {
  Image image;
  image.control = fpu.control;
  image.status = fpu.status & (kStatusConditions | kStatusTop);
  image.tag = 0;
  for (unsigned n = 0; n < 8; ++n) {
    if (!(fpu.tags >> n & 1)) image.tag |= 3u << (2 * n);
  }
  image.ip = image.selectors = image.dp = image.dpSelector = 0;
  const unsigned top = fpu.top();
  for (unsigned n = 0; n < 8; ++n) std::memcpy(image.stack[n].data(), &fpu.registers[(top + n) & 7], 10);
  return image;
}

// Tags and registers; TOP is known.
void takeRegisters(Fpu& fpu, const Image& image) {
  fpu.tags = 0;
  const unsigned top = fpu.top();
  for (unsigned n = 0; n < 8; ++n) {
    if ((image.tag >> (2 * n) & 3) != 3) fpu.tags |= static_cast<std::uint8_t>(1u << n);
    Float80& to = fpu.registers[(top + n) & 7];
    std::memcpy(&to.mantissa, image.stack[n].data(), 8);
    std::memcpy(&to.signExponent, image.stack[n].data() + 8, 2);
  }
}

}  // namespace

const void* instructionOnRegisters(unsigned opcode, unsigned modrm) {
  return rhea_x87_registers + std::size_t{4} * ((opcode & 7) * 64 + (modrm & 63));
}
const void* instructionOnMemory(unsigned opcode, unsigned reg) {
  return rhea_x87_memory + std::size_t{4} * ((opcode & 7) * 8 + (reg & 7));
}

std::uint16_t withSummary(std::uint16_t status, std::uint16_t control) {
  status &= static_cast<std::uint16_t>(~(kStatusSummary | kStatusBusy));
  if (status & ~control & kStatusExceptions) status |= kStatusSummary | kStatusBusy;
  return status;
}

NativeResult execute(const Fpu& before, unsigned opcode, unsigned modrm, void* memory, std::uint64_t flags) {
  NativeResult result{before, flags, true};
  if (quick(result.state, opcode, modrm, memory, result.flags)) {
    // All exceptions are masked.
    return result;
  }
  Image image = imageOf(before);
  const void* const function = memory ? instructionOnMemory(opcode, modrm) : instructionOnRegisters(opcode, modrm);
  result.flags = rhea_x87_run(&image, memory, function, (flags & kArithmeticFlags) | 0x202);
  Fpu& fpu = result.state;
  const auto status = static_cast<std::uint16_t>(image.status);
  result.completed = (status & ~before.control & kBeforeStore) == 0;
  fpu.status = withSummary(static_cast<std::uint16_t>((status & (kStatusConditions | kStatusTop | kStatusSticky)) |
                                                      (before.status & kStatusSticky)),
                           before.control);
  takeRegisters(fpu, image);
  return result;
}

bool fitsHost(const Fpu& fpu) {
  return (fpu.control & kStatusExceptions) == kStatusExceptions && (fpu.status & kStatusSummary) == 0;
}
void loadToHost(const Fpu& fpu) {
  Image image = imageOf(fpu);
  image.status = withSummary(static_cast<std::uint16_t>(fpu.status & (kStatusConditions | kStatusTop | kStatusSticky)),
                             fpu.control);
  asm volatile("frstor %0" : : "m"(image));
}
void storeFromHost(Fpu& fpu) {
  Image image;
  asm volatile("fnsave %0" : "=m"(image) : : "memory");
  fpu.control = static_cast<std::uint16_t>((image.control & kControlValid) | kControlFixed);
  fpu.status = withSummary(static_cast<std::uint16_t>(image.status & (kStatusConditions | kStatusTop | kStatusSticky)),
                           fpu.control);
  takeRegisters(fpu, image);
}

bool emmsClearsTop() {
  static const bool clears = [] {
    std::uint16_t status;
    asm volatile("fninit\n\tfld1\n\temms\n\tfnstsw %0\n\tfninit" : "=m"(status));
    return (status & kStatusTop) == 0;
  }();
  return clears;
}

std::uint16_t fullTags(const Fpu& fpu) {
  unsigned tags = 0;
  for (unsigned n = 0; n < 8; ++n) {
    const Float80& r = fpu.registers[n];
    const unsigned exponent = r.signExponent & 0x7fff;
    unsigned tag = 0;
    if (!(fpu.tags >> n & 1))
      tag = 3;
    else if (exponent == 0 && r.mantissa == 0)
      tag = 1;
    else if (exponent == 0 || exponent == 0x7fff || !(r.mantissa >> 63))
      tag = 2;
    tags |= tag << (2 * n);
  }
  return static_cast<std::uint16_t>(tags);
}

}  // namespace rhea::x86::fpu
