// Sums across lanes, made of the host's SSE2 additions: haddps and its kin, addsub, dpps, dppd. Within a MxcsrScope.
#pragma once

#include "target/x86/simd/float-host.h"
#include "target/x86/simd/horizontal.h"

namespace rhea::x86::simd {

inline Vec haddps(Vec a, Vec b) {
  return addps(everySecond<std::uint32_t>(a, b, 0), everySecond<std::uint32_t>(a, b, 1));
}
inline Vec hsubps(Vec a, Vec b) {
  return subps(everySecond<std::uint32_t>(a, b, 0), everySecond<std::uint32_t>(a, b, 1));
}
inline Vec haddpd(Vec a, Vec b) { return addpd(pair(a[0], b[0]), pair(a[1], b[1])); }
inline Vec hsubpd(Vec a, Vec b) { return subpd(pair(a[0], b[0]), pair(a[1], b[1])); }

// Even lanes subtracted, odd ones added. The lanes that are not wanted compute 0 - 0, which raises nothing.
inline Vec addsub(Vec differences, Vec sums, Vec even) { return (differences & even) | (sums & ~even); }
inline Vec addsubps(Vec a, Vec b) {
  const Vec even = broadcast<std::uint64_t>(0xffffffff);
  return addsub(subps(a & even, b & even), addps(a & ~even, b & ~even), even);
}
inline Vec addsubpd(Vec a, Vec b) {
  const Vec even = pair(~std::uint64_t{0}, 0);
  return addsub(subpd(a & even, b & even), addpd(a & ~even, b & ~even), even);
}

// Which of several NaNs dpps and dppd give depends on the CPU's maker: the sum is the host's own, where it has them.
// Nothing is raised that the steps below have not raised.
// By name, since the compiler takes the intrinsic's operands to be interchangeable.
template <bool kDouble, unsigned kImm>
inline Vec hostDot(Vec a, Vec b) {
  if constexpr (kDouble)
    asm volatile("dppd %[imm], %[b], %[a]" : [a] "+x"(a) : [b] "x"(b), [imm] "i"(kImm));
  else
    asm volatile("dpps %[imm], %[b], %[a]" : [a] "+x"(a) : [b] "x"(b), [imm] "i"(kImm));
  return a;
}
template <bool kDouble>
constexpr auto kHostDots = []<std::size_t... kImm>(std::index_sequence<kImm...>) {
  return std::array<Vec (*)(Vec, Vec), 256>{&hostDot<kDouble, kImm>...};
}
(std::make_index_sequence<256>());

// dpps and dppd in steps, between which an unmasked exception ends the instruction. imm[7:4] the lanes that are
// multiplied, imm[3:0] where the sum goes.
struct DotSingles {
  static constexpr bool kDouble = false;
  using Bits = std::uint32_t;
  static Vec products(Vec a, Vec b, unsigned imm) {
    const Vec wanted = blend<Bits>(kZero, ~kZero, static_cast<std::uint8_t>(imm >> 4));
    return mulps(a & wanted, b & wanted);
  }
  // Zeros above, which add without raising anything.
  static Vec pairs(Vec v) { return addps(low(shuffleDwords(v, 0x08)[0]), low(shuffleDwords(v, 0x0d)[0])); }
  static Vec total(Vec v) { return addss(v, shuffleDwords(v, 0x01)); }
  static Vec spread(Vec v, unsigned imm) {
    return blend<Bits>(kZero, shuffleDwords(v, 0), static_cast<std::uint8_t>(imm & 15));
  }
};
struct DotDoubles {
  static constexpr bool kDouble = true;
  using Bits = std::uint64_t;
  static Vec products(Vec a, Vec b, unsigned imm) {
    const Vec wanted = blend<Bits>(kZero, ~kZero, static_cast<std::uint8_t>(imm >> 4 & 3));
    return mulpd(a & wanted, b & wanted);
  }
  static Vec pairs(Vec v) { return v; }
  static Vec total(Vec v) { return addsd(v, duplicateLowDouble(shiftRightBytes(v, 8))); }
  static Vec spread(Vec v, unsigned imm) {
    return blend<Bits>(kZero, duplicateLowDouble(v), static_cast<std::uint8_t>(imm & 3));
  }
};

}  // namespace rhea::x86::simd
