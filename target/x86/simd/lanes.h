// What every lane function works on: 128 bits, seen as lanes of one type. A 256-bit instruction is two of them, an MMX
// one the lower half (simd/mmx.h says which shapes need more than that). Written with GCC's vector types, so that a
// host with nothing but SSE2 computes the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace rhea::x86::simd {

template <class T>
using Lanes [[gnu::vector_size(16)]] = T;

using Vec = Lanes<std::uint64_t>;

template <class T>
inline constexpr int kLanes = 16 / int{sizeof(T)};

template <class T>
inline Lanes<T> as(Vec v) {
  return (Lanes<T>)v;
}
template <class T>
inline Vec vec(T lanes) {
  static_assert(sizeof lanes == sizeof(Vec));
  return (Vec)lanes;
}

inline constexpr Vec kZero{0, 0};

inline Vec pair(std::uint64_t low, std::uint64_t high) { return Vec{low, high}; }
// What MMX and scalar loads give: the value, and zeros above.
inline Vec low(std::uint64_t value) { return Vec{value, 0}; }
inline Vec loadVec(const void* from) {
  Vec v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
inline void storeVec(void* to, Vec v) { std::memcpy(to, &v, sizeof v); }

using Wide = unsigned __int128;
inline Wide wide(Vec v) { return Wide{v[1]} << 64 | v[0]; }
inline Vec narrow(Wide w) { return Vec{static_cast<std::uint64_t>(w), static_cast<std::uint64_t>(w >> 64)}; }

// The type of twice the width and the same sign.
template <class T>
struct Twice;
template <>
struct Twice<std::int8_t> {
  using Type = std::int16_t;
};
template <>
struct Twice<std::uint8_t> {
  using Type = std::uint16_t;
};
template <>
struct Twice<std::int16_t> {
  using Type = std::int32_t;
};
template <>
struct Twice<std::uint16_t> {
  using Type = std::uint32_t;
};
template <>
struct Twice<std::int32_t> {
  using Type = std::int64_t;
};
template <>
struct Twice<std::uint32_t> {
  using Type = std::uint64_t;
};

}  // namespace rhea::x86::simd
