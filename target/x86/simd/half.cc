#include "target/x86/simd/half.h"

#include <bit>

namespace rhea::x86::simd {
namespace {

using Single = FloatLane<std::uint32_t>;

// Never inexact; neither denormals-are-zero nor the denormal exception concern it (SDM, VCVTPH2PS).
std::uint32_t widen(MxcsrScope& scope, std::uint32_t half) {
  const std::uint32_t sign = (half & 0x8000) << 16;
  const std::uint32_t exponent = half >> 10 & 31;
  std::uint32_t fraction = half & 0x3ff;
  if (exponent == 31) {
    if (fraction != 0) {
      if (!(fraction & 0x200)) scope.raise(kMxInvalid);
      fraction |= 0x200;
    }
    return sign | Single::kInfinity | fraction << 13;
  }
  if (exponent == 0) {
    if (fraction == 0) return sign;
    const int shift = std::countl_zero(fraction) - 21;  // until bit 10, the implicit one, is set
    fraction = fraction << shift & 0x3ff;
    return sign | static_cast<std::uint32_t>(113 - shift) << 23 | fraction << 13;
  }
  return sign | (exponent + 112) << 23 | fraction << 13;
}

bool roundsUp(unsigned mode, bool negative, std::uint32_t rest, std::uint32_t half, bool odd) {
  switch (mode) {
    case 0:
      return rest > half || (rest == half && odd);
    case 1:
      return negative && rest != 0;
    case 2:
      return !negative && rest != 0;
    default:
      return false;
  }
}

std::uint32_t shorten(MxcsrScope& scope, std::uint32_t single, unsigned mode) {
  if (Single::isNan(single)) {
    if (Single::isSignallingNan(single)) scope.raise(kMxInvalid);
    return (single >> 16 & 0x8000) | 0x7e00 | (single >> 13 & 0x3ff);
  }
  single = Single::flushed(single, scope.control());
  if (Single::isDenormal(single)) scope.raise(kMxDenormal);
  const bool negative = (single & Single::kSign) != 0;
  const std::uint32_t sign = negative ? 0x8000 : 0;
  const int exponent = Single::exponent(single) - 127 + 15;
  std::uint32_t fraction = single & Single::kFractionMask;
  if (Single::exponent(single) == Single::kMaxExponent) return sign | 0x7c00;
  if ((single & ~Single::kSign) == 0) return sign;
  if (Single::exponent(single) != 0) fraction |= 1 << 23;
  // Denormal results lose one bit per step below exponent 1; far below only "not zero" is left.
  const int dropped = exponent >= 1 ? 13 : exponent > -12 ? 14 - exponent : 26;
  if (dropped > 25) fraction = 1;
  const std::uint32_t unit = dropped > 25 ? 4 : 1u << dropped;
  const std::uint32_t rest = fraction & (unit - 1);
  std::uint32_t result = dropped > 25 ? 0 : fraction >> dropped;
  const bool up = roundsUp(mode, negative, rest, unit / 2, (result & 1) != 0);
  // Tiny means: below the smallest normal number even when rounded as if the exponent had no bound.
  bool tiny = exponent < 1;
  if (exponent == 0) {
    const std::uint32_t unbounded = fraction >> 13;
    const bool unboundedUp = roundsUp(mode, negative, fraction & 0x1fff, 0x1000, (unbounded & 1) != 0);
    if (unbounded + unboundedUp == 0x800) tiny = false;
  }
  result += up;
  if (exponent >= 1) result += static_cast<std::uint32_t>(exponent - 1) << 10;
  if (rest != 0) scope.raise(kMxPrecision);
  if (tiny && (rest != 0 || scope.wantsTiny())) scope.raise(kMxUnderflow);
  if (result >= 0x7c00) {
    scope.raise(kMxOverflow | kMxPrecision);
    const bool toInfinity = mode == 0 || mode == (negative ? 1u : 2u);
    result = toInfinity ? 0x7c00 : 0x7bff;
  }
  return sign | result;
}

}  // namespace

Vec singlesFromHalves(MxcsrScope& scope, Vec halves) {
  Lanes<std::uint32_t> r{};
  for (int i = 0; i < 4; ++i) r[i] = widen(scope, as<std::uint16_t>(halves)[i]);
  return vec(r);
}

Vec halvesFromSingles(MxcsrScope& scope, Vec singles, unsigned imm) {
  const unsigned mode = imm & 4 ? scope.control() >> 13 & 3 : imm & 3;
  Lanes<std::uint16_t> r{};
  for (int i = 0; i < 4; ++i) {
    r[i] = static_cast<std::uint16_t>(shorten(scope, as<std::uint32_t>(singles)[i], mode));
  }
  return vec(r);
}

}  // namespace rhea::x86::simd
