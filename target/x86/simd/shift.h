// Shifts in lanes. A count at or above the lane's width gives zero, or copies of the sign for an arithmetic shift.
#pragma once

#include "target/x86/simd/lanes.h"

namespace rhea::x86::simd {

template <class T>
inline constexpr std::uint64_t kLaneBits = 8 * sizeof(T);

template <class T>
Vec shiftLeft(Vec a, std::uint64_t count) {
  return count < kLaneBits<T> ? vec(as<T>(a) << static_cast<T>(count)) : kZero;
}
// T unsigned: logical; T signed: arithmetic.
template <class T>
Vec shiftRight(Vec a, std::uint64_t count) {
  if (count >= kLaneBits<T>) {
    if constexpr (std::is_unsigned_v<T>) return kZero;
    count = kLaneBits<T> - 1;
  }
  return vec(as<T>(a) >> static_cast<T>(count));
}

// psllw xmm, xmm and its kin: the count is the whole lower quadword.
template <class T>
Vec shiftLeftBy(Vec a, Vec count) {
  return shiftLeft<T>(a, count[0]);
}
template <class T>
Vec shiftRightBy(Vec a, Vec count) {
  return shiftRight<T>(a, count[0]);
}

inline Vec shiftLeftBytes(Vec a, std::uint8_t count) { return count < 16 ? narrow(wide(a) << (8 * count)) : kZero; }
inline Vec shiftRightBytes(Vec a, std::uint8_t count) { return count < 16 ? narrow(wide(a) >> (8 * count)) : kZero; }

// A count per lane: vpsllv*, vpsrlv*, vpsravd.
template <class T>
Vec shiftLeftEach(Vec a, Vec counts) {
  using U = std::make_unsigned_t<T>;
  Lanes<T> r{};
  for (int i = 0; i < kLanes<T>; ++i) {
    const std::uint64_t count = as<U>(counts)[i];
    r[i] = count < kLaneBits<T> ? static_cast<T>(as<T>(a)[i] << count) : T{0};
  }
  return vec(r);
}
template <class T>
Vec shiftRightEach(Vec a, Vec counts) {
  using U = std::make_unsigned_t<T>;
  Lanes<T> r{};
  for (int i = 0; i < kLanes<T>; ++i) {
    std::uint64_t count = as<U>(counts)[i];
    if (count >= kLaneBits<T>) {
      if constexpr (std::is_unsigned_v<T>) continue;
      count = kLaneBits<T> - 1;
    }
    r[i] = static_cast<T>(as<T>(a)[i] >> count);
  }
  return vec(r);
}

}  // namespace rhea::x86::simd
