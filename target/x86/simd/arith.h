// Integer arithmetic, comparison and logic in lanes: the bodies of padd*, psub*, pmul*, pmin*, pcmp* and their kin.
#pragma once

#include <limits>

#include "target/x86/simd/lanes.h"

namespace rhea::x86::simd {

template <class T>
Vec add(Vec a, Vec b) {
  return vec(as<T>(a) + as<T>(b));
}
template <class T>
Vec sub(Vec a, Vec b) {
  return vec(as<T>(a) - as<T>(b));
}

template <class T>
Vec addSaturated(Vec a, Vec b) {
  using U = std::make_unsigned_t<T>;
  const Lanes<U> sum = as<U>(a) + as<U>(b);
  if constexpr (std::is_unsigned_v<T>) {
    return vec(sum) | vec(sum < as<U>(a));
  } else {
    const Lanes<T> limit =
        as<T>(a) < Lanes<T>{} ? Lanes<T>{} + std::numeric_limits<T>::min() : Lanes<T>{} + std::numeric_limits<T>::max();
    const Vec overflow = (a ^ vec(sum)) & (b ^ vec(sum));
    return vec(as<T>(overflow) < Lanes<T>{} ? limit : (Lanes<T>)sum);
  }
}

template <class T>
Vec subSaturated(Vec a, Vec b) {
  using U = std::make_unsigned_t<T>;
  const Lanes<U> difference = as<U>(a) - as<U>(b);
  if constexpr (std::is_unsigned_v<T>) {
    return vec(difference) & vec(as<U>(a) > as<U>(b));
  } else {
    const Lanes<T> limit =
        as<T>(a) < Lanes<T>{} ? Lanes<T>{} + std::numeric_limits<T>::min() : Lanes<T>{} + std::numeric_limits<T>::max();
    const Vec overflow = (a ^ b) & (a ^ vec(difference));
    return vec(as<T>(overflow) < Lanes<T>{} ? limit : (Lanes<T>)difference);
  }
}

template <class T>
Vec mulLow(Vec a, Vec b) {
  using U = std::make_unsigned_t<T>;
  return vec(as<U>(a) * as<U>(b));
}

// The upper half of the product, pmulhw and pmulhuw.
template <class T>
Vec mulHigh(Vec a, Vec b) {
  using W = typename Twice<T>::Type;
  Lanes<T> r{};
  for (int i = 0; i < kLanes<T>; ++i) {
    r[i] = static_cast<T>((W{as<T>(a)[i]} * W{as<T>(b)[i]}) >> (8 * sizeof(T)));
  }
  return vec(r);
}

inline Vec mulHighRounded(Vec a, Vec b) {
  using T = std::int16_t;
  Lanes<T> r{};
  for (int i = 0; i < 8; ++i) r[i] = static_cast<T>((((as<T>(a)[i] * as<T>(b)[i]) >> 14) + 1) >> 1);
  return vec(r);
}

// The even 32-bit lanes multiplied to 64 bits: pmuldq, pmuludq.
template <class T>
Vec mulEven(Vec a, Vec b) {
  using W = typename Twice<T>::Type;
  return vec(Lanes<W>{W{as<T>(a)[0]} * W{as<T>(b)[0]}, W{as<T>(a)[2]} * W{as<T>(b)[2]}});
}

inline Vec maddWords(Vec a, Vec b) {
  using T = std::int16_t;
  Lanes<std::uint32_t> r{};
  for (int i = 0; i < 4; ++i) {
    // Both products are at most 2^30; their sum wraps for four times 0x8000.
    r[i] = static_cast<std::uint32_t>(as<T>(a)[2 * i] * as<T>(b)[2 * i]) +
           static_cast<std::uint32_t>(as<T>(a)[2 * i + 1] * as<T>(b)[2 * i + 1]);
  }
  return vec(r);
}

template <class To>
To saturate(std::int32_t value) {
  constexpr std::int32_t kMin = std::numeric_limits<To>::min();
  constexpr std::int32_t kMax = std::numeric_limits<To>::max();
  return static_cast<To>(value < kMin ? kMin : value > kMax ? kMax : value);
}

// Unsigned bytes of `a` with signed ones of `b`, neighbouring products added with saturation.
inline Vec maddBytes(Vec a, Vec b) {
  const auto x = as<std::uint8_t>(a);
  const auto y = as<std::int8_t>(b);
  Lanes<std::int16_t> r{};
  for (int i = 0; i < 8; ++i) r[i] = saturate<std::int16_t>(x[2 * i] * y[2 * i] + x[2 * i + 1] * y[2 * i + 1]);
  return vec(r);
}

template <class T>
Vec average(Vec a, Vec b) {
  // Without a wider type: the bits that both have, half of those that differ, rounded up.
  return vec((as<T>(a) | as<T>(b)) - ((as<T>(a) ^ as<T>(b)) >> 1));
}
template <class T>
Vec minimum(Vec a, Vec b) {
  return vec(as<T>(a) < as<T>(b) ? as<T>(a) : as<T>(b));
}
template <class T>
Vec maximum(Vec a, Vec b) {
  return vec(as<T>(a) > as<T>(b) ? as<T>(a) : as<T>(b));
}

template <class T>
Vec absolute(Vec a) {
  using U = std::make_unsigned_t<T>;
  return vec(as<T>(a) < Lanes<T>{} ? Lanes<U>{} - as<U>(a) : as<U>(a));
}
template <class T>
Vec sign(Vec a, Vec b) {
  using U = std::make_unsigned_t<T>;
  const Lanes<U> signedValue = as<T>(b) < Lanes<T>{} ? Lanes<U>{} - as<U>(a) : as<U>(a);
  return vec(signedValue) & ~vec(as<T>(b) == Lanes<T>{});
}

inline Vec sumAbsoluteDifferences(Vec a, Vec b) {
  const auto d = as<std::uint8_t>(maximum<std::uint8_t>(a, b) - minimum<std::uint8_t>(a, b));
  Vec r{};
  for (int i = 0; i < 16; ++i) r[i / 8] += d[i];
  return r;
}

template <class T>
Vec compareEqual(Vec a, Vec b) {
  return vec(as<T>(a) == as<T>(b));
}
template <class T>
Vec compareGreater(Vec a, Vec b) {
  return vec(as<T>(a) > as<T>(b));
}

inline Vec bitAnd(Vec a, Vec b) { return a & b; }
inline Vec bitOr(Vec a, Vec b) { return a | b; }
inline Vec bitXor(Vec a, Vec b) { return a ^ b; }
inline Vec bitAndNot(Vec a, Vec b) { return ~a & b; }

// One bit per lane: the sign bits, lane 0 lowest. SSE2 has this for lanes of 1, 4 and 8 bytes; text functions live on
// it.
template <class T>
std::uint32_t signMask(Vec a) {
  if constexpr (sizeof(T) == 1) {
    return static_cast<std::uint32_t>(__builtin_ia32_pmovmskb128(as<char>(a)));
  } else if constexpr (sizeof(T) == 4) {
    return static_cast<std::uint32_t>(__builtin_ia32_movmskps(as<float>(a)));
  } else {
    static_assert(sizeof(T) == 8);
    return static_cast<std::uint32_t>(__builtin_ia32_movmskpd(as<double>(a)));
  }
}

}  // namespace rhea::x86::simd
