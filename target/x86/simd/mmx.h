// MMX forms of lane functions. An operation that keeps to its lanes needs nothing: the lower half of the 128-bit result
// is the answer. What crosses lanes is turned into one 128-bit operation whose lower half is the answer.
#pragma once

#include "target/x86/simd/horizontal.h"

namespace rhea::x86::simd {

// `a` below, `b` above: what pack and horizontal operations see as their first operand.
inline Vec joined(Vec a, Vec b) { return pair(a[0], b[0]); }

template <auto kOperation>
Vec joinedMmx(Vec a, Vec b) {
  return kOperation(joined(a, b), kZero);
}
// A horizontal operation on 128 bits puts the results of its first operand into the lower half.
template <class T>
Vec unpackHighMmx(Vec a, Vec b) {
  return low(unpack<T, false>(a, b)[1]);
}
inline Vec shuffleBytesMmx(Vec a, Vec control) { return shuffleBytes(a, control & broadcast<std::uint8_t>(0x87)); }
inline Vec alignRightMmx(Vec a, Vec b, std::uint8_t count) { return shiftRightBytes(joined(b, a), count); }

}  // namespace rhea::x86::simd
