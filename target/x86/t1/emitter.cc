#include "target/x86/t1/emitter.h"

namespace rhea::x86::t1 {

void Emitter::modrm(unsigned reg, const Mem& mem) {
  const unsigned r = (reg & 7) << 3;
  const auto disp = static_cast<std::uint32_t>(mem.disp);
  if (mem.base == kNoRegister) {
    byte(r | 4);
    byte(mem.index == kNoRegister ? 0x25U : static_cast<unsigned>(mem.scale << 6 | (mem.index & 7) << 3 | 5));
    dword(disp);
    return;
  }
  const unsigned base = mem.base & 7;
  const bool sib = base == 4 || mem.index != kNoRegister;
  const bool small = mem.disp == static_cast<std::int8_t>(mem.disp);
  const unsigned mod = mem.disp == 0 && base != 5 ? 0 : small ? 1 : 2;
  byte(mod << 6 | r | (sib ? 4 : base));
  if (sib) {
    const unsigned index = mem.index == kNoRegister ? 4U : mem.index & 7U;
    byte(static_cast<unsigned>(mem.scale) << 6 | index << 3 | base);
  }
  if (mod == 1) byte(disp & 0xff);
  if (mod == 2) dword(disp);
}

void Emitter::constant(std::uint8_t to, std::uint64_t value) {
  if (value == static_cast<std::uint32_t>(value)) {
    if ((to & 8) != 0) byte(0x41);
    byte(0xb8 | (to & 7));
    dword(static_cast<std::uint32_t>(value));
  } else if (static_cast<std::int64_t>(value) == static_cast<std::int32_t>(value)) {
    op(0xc7, 0, to);
    dword(static_cast<std::uint32_t>(value));
  } else {
    byte((to & 8) != 0 ? 0x49 : 0x48);
    byte(0xb8 | (to & 7));
    qword(value);
  }
}

}  // namespace rhea::x86::t1
