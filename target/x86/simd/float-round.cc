#include "target/x86/simd/float-round.h"

namespace rhea::x86::simd {
namespace {

template <class Bits>
Bits roundLane(MxcsrScope& scope, Bits x, unsigned mode, bool quietly) {
  using Lane = FloatLane<Bits>;
  if (Lane::isNan(x)) {
    if (Lane::isSignallingNan(x)) scope.raise(kMxInvalid);
    return x | Lane::kQuiet;
  }
  x = Lane::flushed(x, scope.control());
  const int exponent = Lane::exponent(x) - Lane::kBias;
  if (exponent >= Lane::kFraction || (x & ~Lane::kSign) == 0) return x;
  if (!quietly) {
    // Precision is lost unless every fraction bit below the point is zero.
    const Bits below = exponent < 0 ? ~Lane::kSign : Lane::kFractionMask >> exponent;
    if (x & below) scope.raise(kMxPrecision);
  }
  const bool negative = (x & Lane::kSign) != 0;
  const bool outward = mode == (negative ? 1u : 2u);
  if (exponent < 0) {
    constexpr Bits kOne = Bits{Lane::kBias} << Lane::kFraction;
    constexpr Bits kHalf = Bits{Lane::kBias - 1} << Lane::kFraction;
    const bool toOne = outward || (mode == 0 && (x & ~Lane::kSign) > kHalf);
    return (x & Lane::kSign) | (toOne ? kOne : 0);
  }
  const Bits unit = Bits{1} << (Lane::kFraction - exponent);
  const Bits rest = x & (unit - 1);
  const Bits whole = x - rest;
  // At exponent 0 the unit is the implicit one, which does not stand in the fraction: the whole part 1 is odd.
  const bool odd = exponent == 0 || (whole & unit) != 0;
  bool up = outward && rest != 0;
  if (mode == 0) up = rest > unit / 2 || (rest == unit / 2 && odd);
  return up ? whole + unit : whole;
}

}  // namespace

template <class Bits>
Vec roundFloat(MxcsrScope& scope, Vec a, Vec b, unsigned imm, int lanes) {
  const unsigned mode = imm & 4 ? scope.control() >> 13 & 3 : imm & 3;
  Lanes<Bits> r = as<Bits>(a);
  for (int i = 0; i < lanes; ++i) r[i] = roundLane(scope, as<Bits>(b)[i], mode, (imm & 8) != 0);
  return vec(r);
}

template Vec roundFloat<std::uint32_t>(MxcsrScope&, Vec, Vec, unsigned, int);
template Vec roundFloat<std::uint64_t>(MxcsrScope&, Vec, Vec, unsigned, int);

}  // namespace rhea::x86::simd
