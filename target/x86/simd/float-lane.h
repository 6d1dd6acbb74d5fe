// What a lane of bits is as a floating-point number; for the operations that are computed from the bits.
#pragma once

#include <cstdint>

#include "target/x86/simd/mxcsr.h"

namespace rhea::x86::simd {

// Bits: std::uint32_t for singles, std::uint64_t for doubles.
template <class Bits>
struct FloatLane {
  static constexpr int kFraction = sizeof(Bits) == 4 ? 23 : 52;
  static constexpr int kExponentBits = sizeof(Bits) == 4 ? 8 : 11;
  static constexpr int kMaxExponent = (1 << kExponentBits) - 1;
  static constexpr int kBias = kMaxExponent / 2;
  static constexpr Bits kSign = Bits{1} << (kFraction + kExponentBits);
  static constexpr Bits kFractionMask = (Bits{1} << kFraction) - 1;
  static constexpr Bits kInfinity = Bits{kMaxExponent} << kFraction;
  static constexpr Bits kQuiet = Bits{1} << (kFraction - 1);
  static constexpr Bits kDefaultNan = kSign | kInfinity | kQuiet;

  static constexpr bool isNan(Bits x) { return (x & ~kSign) > kInfinity; }
  static constexpr bool isSignallingNan(Bits x) { return isNan(x) && !(x & kQuiet); }
  static constexpr bool isDenormal(Bits x) { return (x & kInfinity) == 0 && (x & kFractionMask) != 0; }
  static constexpr int exponent(Bits x) { return static_cast<int>((x & kInfinity) >> kFraction); }
  // What arithmetic sees under denormals-are-zero.
  static constexpr Bits flushed(Bits x, std::uint32_t mxcsr) {
    return (mxcsr & kMxcsrDenormalsAreZero) && isDenormal(x) ? x & kSign : x;
  }
};

}  // namespace rhea::x86::simd
