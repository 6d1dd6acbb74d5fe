// Moving lanes about: pack, unpack, shuffles, blends, extensions, within 128 bits. What crosses the halves of a 256-bit
// register is in simd/permute.h.
#pragma once

#include "target/x86/simd/arith.h"
#include "target/x86/simd/shift.h"

namespace rhea::x86::simd {

// Lanes of twice To's width, of `a` and then of `b`, saturated to To: packsswb, packuswb, packssdw, packusdw.
template <class To>
Vec pack(Vec a, Vec b) {
  using From = typename Twice<std::make_signed_t<To>>::Type;
  constexpr int kHalf = kLanes<From>;
  Lanes<To> r{};
  for (int i = 0; i < kHalf; ++i) {
    r[i] = saturate<To>(as<From>(a)[i]);
    r[kHalf + i] = saturate<To>(as<From>(b)[i]);
  }
  return vec(r);
}

template <class T, bool kHigh>
Vec unpack(Vec a, Vec b) {
  constexpr int kHalf = kLanes<T> / 2;
  Lanes<T> r{};
  for (int i = 0; i < kHalf; ++i) {
    r[2 * i] = as<T>(a)[i + (kHigh ? kHalf : 0)];
    r[2 * i + 1] = as<T>(b)[i + (kHigh ? kHalf : 0)];
  }
  return vec(r);
}

inline Vec shuffleBytes(Vec a, Vec control) {
  alignas(16) std::uint8_t from[16];
  alignas(16) std::uint8_t index[16];
  alignas(16) std::uint8_t to[16];
  storeVec(from, a);
  storeVec(index, control);
  for (int i = 0; i < 16; ++i) to[i] = from[index[i] & 15];
  return loadVec(to) & ~vec(as<std::int8_t>(control) < Lanes<std::int8_t>{});
}

inline Vec shuffleDwords(Vec a, std::uint8_t imm) {
  const auto x = as<std::uint32_t>(a);
  return vec(Lanes<std::uint32_t>{x[imm & 3], x[imm >> 2 & 3], x[imm >> 4 & 3], x[imm >> 6 & 3]});
}
inline std::uint64_t shuffleFourWords(std::uint64_t words, std::uint8_t imm) {
  std::uint64_t r = 0;
  for (int i = 0; i < 4; ++i) r |= (words >> (16 * (imm >> (2 * i) & 3)) & 0xffff) << (16 * i);
  return r;
}
inline Vec shuffleLowWords(Vec a, std::uint8_t imm) { return pair(shuffleFourWords(a[0], imm), a[1]); }
inline Vec shuffleHighWords(Vec a, std::uint8_t imm) { return pair(a[0], shuffleFourWords(a[1], imm)); }

inline Vec shuffleSingles(Vec a, Vec b, std::uint8_t imm) {
  const auto x = as<std::uint32_t>(a);
  const auto y = as<std::uint32_t>(b);
  return vec(Lanes<std::uint32_t>{x[imm & 3], x[imm >> 2 & 3], y[imm >> 4 & 3], y[imm >> 6 & 3]});
}
inline Vec shuffleDoubles(Vec a, Vec b, std::uint8_t imm) { return pair(a[imm & 1], b[imm >> 1 & 1]); }

// vpermilps, vpermilpd with a control register.
inline Vec permuteSingles(Vec a, Vec control) {
  Lanes<std::uint32_t> r{};
  for (int i = 0; i < 4; ++i) r[i] = as<std::uint32_t>(a)[as<std::uint32_t>(control)[i] & 3];
  return vec(r);
}
inline Vec permuteDoubles(Vec a, Vec control) { return pair(a[control[0] >> 1 & 1], a[control[1] >> 1 & 1]); }

inline Vec alignRight(Vec a, Vec b, std::uint8_t count) {
  if (count < 16) return narrow(wide(b) >> (8 * count) | (count ? wide(a) << (128 - 8 * count) : Wide{0}));
  return shiftRightBytes(a, static_cast<std::uint8_t>(count - 16));
}

// A set bit i of `imm` takes lane i of `b`. A 256-bit blend of eight singles gives the upper half imm >> 4 and so on.
template <class T>
Vec blend(Vec a, Vec b, std::uint8_t imm) {
  Lanes<T> r = as<T>(a);
  for (int i = 0; i < kLanes<T>; ++i) {
    if (imm >> i & 1) r[i] = as<T>(b)[i];
  }
  return vec(r);
}
// The sign bits of `mask` take lanes of `b`.
template <class T>
Vec blendVariable(Vec a, Vec b, Vec mask) {
  using S = std::make_signed_t<T>;
  const Vec take = vec(as<S>(mask) < Lanes<S>{});
  return (a & ~take) | (b & take);
}

// The lower lanes of From, sign or zero extended to To: pmovsx*, pmovzx*.
template <class From, class To>
Vec extend(Vec a) {
  Lanes<To> r{};
  for (int i = 0; i < kLanes<To>; ++i) r[i] = static_cast<To>(as<From>(a)[i]);
  return vec(r);
}

inline Vec duplicateLowDouble(Vec a) { return pair(a[0], a[0]); }
inline Vec duplicateEvenSingles(Vec a) { return shuffleDwords(a, 0xa0); }
inline Vec duplicateOddSingles(Vec a) { return shuffleDwords(a, 0xf5); }

template <class T>
Vec broadcast(T value) {
  return vec(Lanes<T>{} + value);
}
template <class T>
Vec insertLane(Vec a, T value, std::uint8_t at) {
  Lanes<T> r = as<T>(a);
  r[at & (kLanes<T> - 1)] = value;
  return vec(r);
}
template <class T>
T extractLane(Vec a, std::uint8_t at) {
  return as<T>(a)[at & (kLanes<T> - 1)];
}

// insertps: `value` is the lane taken from the source; imm[5:4] says where to, imm[3:0] which lanes become zero.
inline Vec insertSingle(Vec a, std::uint32_t value, std::uint8_t imm) {
  Vec r = insertLane<std::uint32_t>(a, value, imm >> 4 & 3);
  return blend<std::uint32_t>(r, kZero, imm & 15);
}

}  // namespace rhea::x86::simd
