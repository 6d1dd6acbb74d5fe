#include "target/x86/simd/fma.h"

#include <bit>
#include <utility>

namespace rhea::x86::simd {
namespace {

// An unsigned number of 256 bits, enough to keep a product and an addend of doubles side by side.
struct Big {
  Wide high = 0;
  Wide low = 0;

  bool zero() const { return high == 0 && low == 0; }
  bool bit(int at) const { return ((at >= 128 ? high >> (at - 128) : low >> at) & 1) != 0; }
};
Big shiftedLeft(Big v, int by) {
  if (by == 0) return v;
  if (by >= 128) return {v.low << (by - 128), 0};
  return {v.high << by | v.low >> (128 - by), v.low << by};
}
// What falls out at the bottom leaves a one in the lowest bit.
Big shiftedRightSticky(Big v, int by) {
  if (by == 0) return v;
  if (by >= 256) return {0, v.zero() ? Wide{0} : Wide{1}};
  Big r;
  Wide lost;
  if (by >= 128) {
    const int rest = by - 128;
    r = {0, v.high >> rest};
    lost = v.low | (rest ? v.high << (128 - rest) : 0);
  } else {
    r = {v.high >> by, v.low >> by | v.high << (128 - by)};
    lost = v.low << (128 - by);
  }
  r.low |= lost != 0;
  return r;
}
Big sum(Big a, Big b) {
  const Wide low = a.low + b.low;
  return {a.high + b.high + (low < a.low), low};
}
Big difference(Big a, Big b) { return {a.high - b.high - (a.low < b.low), a.low - b.low}; }
bool less(Big a, Big b) { return a.high != b.high ? a.high < b.high : a.low < b.low; }
int topBit(Big v) {
  const auto top = [](Wide w) {
    const auto upper = static_cast<std::uint64_t>(w >> 64);
    return upper ? 127 - std::countl_zero(upper) : 63 - std::countl_zero(static_cast<std::uint64_t>(w));
  };
  return v.high ? 128 + top(v.high) : top(v.low);
}

// value = significand * 2^exponent, sign apart.
struct Exact {
  Big significand;
  int exponent = 0;
  bool negative = false;
};

bool roundsUp(std::uint32_t mode, bool negative, bool half, bool sticky, bool odd) {
  switch (mode) {
    case 0:
      return half && (sticky || odd);
    case 1:
      return negative && (half || sticky);
    case 2:
      return !negative && (half || sticky);
    default:
      return false;
  }
}

struct Rounded {
  std::uint64_t kept = 0;
  bool inexact = false;
};
// `value` without its lowest `drop` bits, rounded. What is kept fits 64 bits.
Rounded roundOff(Big value, int drop, std::uint32_t mode, bool negative) {
  if (drop <= 0) return {static_cast<std::uint64_t>(shiftedLeft(value, -drop).low), false};
  // Two bits more than are kept: the half, and below it whatever else there was.
  if (drop == 1) value = shiftedLeft(value, 1);
  const Big rest = shiftedRightSticky(value, drop == 1 ? 0 : drop - 2);
  const bool half = rest.bit(1);
  const bool sticky = rest.bit(0);
  std::uint64_t kept = static_cast<std::uint64_t>(rest.low >> 2 | rest.high << 126);
  if (roundsUp(mode, negative, half, sticky, (kept & 1) != 0)) ++kept;
  return {kept, half || sticky};
}

template <class Bits>
Bits pack(MxcsrScope& scope, const Exact& value) {
  using Lane = FloatLane<Bits>;
  constexpr int kPrecisionBits = Lane::kFraction + 1;
  constexpr int kSmallest = 1 - Lane::kBias - Lane::kFraction;  // exponent of the denormals' unit
  const std::uint32_t mode = scope.control() >> 13 & 3;
  const Bits sign = value.negative ? Lane::kSign : 0;
  const int top = topBit(value.significand);
  const int unbounded = top + 1 - kPrecisionBits;  // bits to drop if the exponent had no lower bound
  const int drop = unbounded + value.exponent < kSmallest ? kSmallest - value.exponent : unbounded;
  const Rounded rounded = roundOff(value.significand, drop, mode, value.negative);

  bool tiny = drop != unbounded;
  if (tiny) {
    // Tiny after rounding: not if the unbounded result is rounded up to the smallest normal number.
    const Rounded free = roundOff(value.significand, unbounded, mode, value.negative);
    if (free.kept >> kPrecisionBits != 0 && unbounded + value.exponent + 1 >= kSmallest) tiny = false;
  }
  if (tiny && (scope.control() & kMxcsrFlushToZero)) {
    scope.raise(kMxUnderflow | kMxPrecision);
    return sign;
  }
  if (tiny && (rounded.inexact || scope.wantsTiny())) scope.raise(kMxUnderflow);
  if (rounded.inexact) scope.raise(kMxPrecision);
  // Adding the exponent to the significand's implicit bit lets a carry out of rounding find its way.
  int exponent = drop + value.exponent - kSmallest;  // 0: denormal or smallest normal
  Bits result = static_cast<Bits>(rounded.kept);
  if (exponent >= Lane::kMaxExponent) {
    result = Lane::kInfinity;
  } else {
    result = static_cast<Bits>(result + (static_cast<Bits>(exponent) << Lane::kFraction));
  }
  if (result >= Lane::kInfinity) {
    scope.raise(kMxOverflow | kMxPrecision);
    const bool toInfinity = mode == 0 || mode == (value.negative ? 1u : 2u);
    result = toInfinity ? Lane::kInfinity : Lane::kInfinity - 1;
  }
  return sign | result;
}

template <class Bits>
Exact unpack(Bits x) {
  using Lane = FloatLane<Bits>;
  const int exponent = Lane::exponent(x);
  Bits significand = x & Lane::kFractionMask;
  if (exponent != 0) significand |= Bits{1} << Lane::kFraction;
  return {{0, significand}, (exponent ? exponent : 1) - Lane::kBias - Lane::kFraction, (x & Lane::kSign) != 0};
}

// The exact sum, but for a sticky bit far below what counts.
Exact addExactly(Exact a, Exact b) {
  // Both with their top bit at 253: one bit for the carry, and more than two precisions below.
  const auto normalise = [](Exact& v) {
    const int by = 253 - topBit(v.significand);
    v.significand = shiftedLeft(v.significand, by);
    v.exponent -= by;
  };
  normalise(a);
  normalise(b);
  if (a.exponent < b.exponent) std::swap(a, b);
  b.significand = shiftedRightSticky(b.significand, a.exponent - b.exponent);
  if (a.negative == b.negative) return {sum(a.significand, b.significand), a.exponent, a.negative};
  if (less(a.significand, b.significand)) return {difference(b.significand, a.significand), a.exponent, b.negative};
  return {difference(a.significand, b.significand), a.exponent, a.negative};
}

}  // namespace

template <class Bits>
Bits fusedMultiplyAdd(MxcsrScope& scope, Bits x, Bits y, Bits z) {
  using Lane = FloatLane<Bits>;
  x = Lane::flushed(x, scope.control());
  y = Lane::flushed(y, scope.control());
  z = Lane::flushed(z, scope.control());
  const auto isZero = [](Bits v) { return (v & ~Lane::kSign) == 0; };
  const auto isInfinite = [](Bits v) { return (v & ~Lane::kSign) == Lane::kInfinity; };
  const Bits productSign = (x ^ y) & Lane::kSign;
  const bool undefinedProduct = (isZero(x) && isInfinite(y)) || (isInfinite(x) && isZero(y));
  if (Lane::isNan(x) || Lane::isNan(y) || Lane::isNan(z)) {
    if (Lane::isSignallingNan(x) || Lane::isSignallingNan(y) || Lane::isSignallingNan(z)) scope.raise(kMxInvalid);
    return (Lane::isNan(x) ? x : Lane::isNan(y) ? y : z) | Lane::kQuiet;
  }
  if (undefinedProduct || ((isInfinite(x) || isInfinite(y)) && isInfinite(z) && productSign != (z & Lane::kSign))) {
    scope.raise(kMxInvalid);
    return Lane::kDefaultNan;
  }
  if (Lane::isDenormal(x) || Lane::isDenormal(y) || Lane::isDenormal(z)) scope.raise(kMxDenormal);
  if (isInfinite(x) || isInfinite(y)) return productSign | Lane::kInfinity;
  if (isInfinite(z)) return z;
  const bool down = (scope.control() >> 13 & 3) == 1;
  if (isZero(x) || isZero(y)) {
    if (!isZero(z)) return pack<Bits>(scope, unpack(z));
    return productSign == (z & Lane::kSign) ? z : down ? Lane::kSign : Bits{0};
  }
  const Exact a = unpack(x);
  const Exact b = unpack(y);
  const Exact product{{0, a.significand.low * b.significand.low}, a.exponent + b.exponent, productSign != 0};
  if (isZero(z)) return pack<Bits>(scope, product);
  const Exact total = addExactly(product, unpack(z));
  if (total.significand.zero()) return down ? Lane::kSign : Bits{0};
  return pack<Bits>(scope, total);
}

template <class Bits>
Vec fusedInSoftware(MxcsrScope& scope, FmaForm form, FmaKind kind, Vec a, Vec b, Vec c, int lanes) {
  using Lane = FloatLane<Bits>;
  Lanes<Bits> r = as<Bits>(a);
  for (int n = 0; n < lanes; ++n) {
    const Bits x = as<Bits>(a)[n];
    const Bits y = as<Bits>(b)[n];
    const Bits z = as<Bits>(c)[n];
    Bits first, second, third;
    switch (form) {
      case FmaForm::k132:
        first = x, second = z, third = y;
        break;
      case FmaForm::k213:
        first = y, second = x, third = z;
        break;
      default:
        first = y, second = z, third = x;
    }
    const bool odd = (n & 1) != 0;
    const bool negateProduct = kind == FmaKind::kNegativeAdd || kind == FmaKind::kNegativeSub;
    const bool negateAddend = kind == FmaKind::kSub || kind == FmaKind::kNegativeSub ||
                              (kind == FmaKind::kAddSub && !odd) || (kind == FmaKind::kSubAdd && odd);
    // A NaN passes with its own sign.
    if (negateProduct && !Lane::isNan(first)) first ^= Lane::kSign;
    if (negateAddend && !Lane::isNan(third)) third ^= Lane::kSign;
    r[n] = fusedMultiplyAdd<Bits>(scope, first, second, third);
  }
  return vec(r);
}

template std::uint32_t fusedMultiplyAdd<std::uint32_t>(MxcsrScope&, std::uint32_t, std::uint32_t, std::uint32_t);
template std::uint64_t fusedMultiplyAdd<std::uint64_t>(MxcsrScope&, std::uint64_t, std::uint64_t, std::uint64_t);
template Vec fusedInSoftware<std::uint32_t>(MxcsrScope&, FmaForm, FmaKind, Vec, Vec, Vec, int);
template Vec fusedInSoftware<std::uint64_t>(MxcsrScope&, FmaForm, FmaKind, Vec, Vec, Vec, int);

bool hostHasFma() {
  static const bool has = __builtin_cpu_supports("fma");
  return has;
}

}  // namespace rhea::x86::simd
