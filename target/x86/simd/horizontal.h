// Integer operations across neighbouring lanes: phadd*, phsub*, mpsadbw, phminposuw.
#pragma once

#include "target/x86/simd/shuffle.h"

namespace rhea::x86::simd {

// Every even lane of `a` followed by those of `b`, or every odd one.
template <class T>
Vec everySecond(Vec a, Vec b, int first) {
  constexpr int kHalf = kLanes<T> / 2;
  Lanes<T> r{};
  for (int i = 0; i < kHalf; ++i) {
    r[i] = as<T>(a)[2 * i + first];
    r[kHalf + i] = as<T>(b)[2 * i + first];
  }
  return vec(r);
}

template <class T>
Vec addNeighbours(Vec a, Vec b) {
  return add<T>(everySecond<T>(a, b, 0), everySecond<T>(a, b, 1));
}
template <class T>
Vec subNeighbours(Vec a, Vec b) {
  return sub<T>(everySecond<T>(a, b, 0), everySecond<T>(a, b, 1));
}
inline Vec addNeighboursSaturated(Vec a, Vec b) {
  return addSaturated<std::int16_t>(everySecond<std::int16_t>(a, b, 0), everySecond<std::int16_t>(a, b, 1));
}
inline Vec subNeighboursSaturated(Vec a, Vec b) {
  return subSaturated<std::int16_t>(everySecond<std::int16_t>(a, b, 0), everySecond<std::int16_t>(a, b, 1));
}

// mpsadbw: eight sums of four absolute differences; imm[2] chooses where in `a`, imm[1:0] the block of `b`.
inline Vec multipleSums(Vec a, Vec b, std::uint8_t imm) {
  const auto x = as<std::uint8_t>(a);
  const auto y = as<std::uint8_t>(b);
  const int from = imm & 4;
  const int block = 4 * (imm & 3);
  Lanes<std::uint16_t> r{};
  for (int i = 0; i < 8; ++i) {
    int sum = 0;
    for (int j = 0; j < 4; ++j) {
      const int difference = x[from + i + j] - y[block + j];
      sum += difference < 0 ? -difference : difference;
    }
    r[i] = static_cast<std::uint16_t>(sum);
  }
  return vec(r);
}

inline Vec minimumWordAndPlace(Vec a) {
  const auto x = as<std::uint16_t>(a);
  int place = 0;
  for (int i = 1; i < 8; ++i) {
    if (x[i] < x[place]) place = i;
  }
  return low(std::uint64_t{x[place]} | static_cast<std::uint64_t>(place) << 16);
}

}  // namespace rhea::x86::simd
