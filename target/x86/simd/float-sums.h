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
inline Vec addsubps(Vec a, Vec b) {
  const Vec even = broadcast<std::uint64_t>(0xffffffff);
  return subps(a & even, b & even) | addps(a & ~even, b & ~even);
}
inline Vec addsubpd(Vec a, Vec b) {
  const Vec even = pair(~std::uint64_t{0}, 0);
  return subpd(a & even, b & even) | addpd(a & ~even, b & ~even);
}

// imm[7:4] the lanes that are multiplied, imm[3:0] where the sum goes.
inline Vec dpps(Vec a, Vec b, std::uint8_t imm) {
  const Vec wanted = blend<std::uint32_t>(kZero, ~kZero, imm >> 4);
  const Vec products = mulps(a & wanted, b & wanted);
  const Vec sums = addps(shuffleDwords(products, 0x08), shuffleDwords(products, 0x0d));
  const Vec sum = addss(sums, shuffleDwords(sums, 0x01));
  return blend<std::uint32_t>(kZero, shuffleDwords(sum, 0), imm & 15);
}
inline Vec dppd(Vec a, Vec b, std::uint8_t imm) {
  const Vec wanted = blend<std::uint64_t>(kZero, ~kZero, imm >> 4 & 3);
  const Vec products = mulpd(a & wanted, b & wanted);
  const Vec sum = addsd(products, duplicateLowDouble(shiftRightBytes(products, 8)));
  return blend<std::uint64_t>(kZero, duplicateLowDouble(sum), imm & 3);
}

}  // namespace rhea::x86::simd
