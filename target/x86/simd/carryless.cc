#include <array>

#include "target/x86/simd/crypto.h"

namespace rhea::x86::simd {
Vec carrylessMultiply(Vec a, Vec b, std::uint8_t imm) {
  const std::uint64_t x = a[imm & 1];
  std::uint64_t y = b[imm >> 4 & 1];
  // Four bits of y at a time: 16 multiples of x, of up to 67 bits.
  std::array<Wide, 16> multiples{};
  for (unsigned i = 1; i < 16; ++i) {
    multiples[i] = i & 1 ? multiples[i - 1] ^ Wide { x } : multiples[i / 2] << 1;
  }
  Wide r = 0;
  for (int shift = 60; shift >= 0; shift -= 4) r = r << 4 ^ multiples[y >> shift & 15];
  return narrow(r);
}

}  // namespace rhea::x86::simd
