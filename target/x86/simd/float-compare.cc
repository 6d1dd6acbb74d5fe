#include "target/x86/simd/float-compare.h"

#include <array>

namespace rhea::x86::simd {
namespace {

enum Relation : std::uint8_t { kUnordered = 1, kLess = 2, kEqual = 4, kGreater = 8 };

// Predicates 0 to 15; 16 to 31 ask for the same relations and signal where these are quiet, and the reverse.
constexpr std::array<std::uint8_t, 16> kHolds{
    kEqual,
    kLess,
    kLess | kEqual,
    kUnordered,
    kUnordered | kLess | kGreater,
    kUnordered | kEqual | kGreater,
    kUnordered | kGreater,
    kLess | kEqual | kGreater,
    kUnordered | kEqual,
    kUnordered | kLess,
    kUnordered | kLess | kEqual,
    0,
    kLess | kGreater,
    kEqual | kGreater,
    kGreater,
    kUnordered | kLess | kEqual | kGreater,
};
constexpr std::uint32_t kSignalling = 1 << 1 | 1 << 2 | 1 << 5 | 1 << 6 | 1 << 9 | 1 << 10 | 1 << 13 | 1 << 14;

template <class Bits>
Relation relate(MxcsrScope& scope, Bits a, Bits b, bool signalling) {
  using Lane = FloatLane<Bits>;
  if (Lane::isNan(a) || Lane::isNan(b)) {
    if (signalling || Lane::isSignallingNan(a) || Lane::isSignallingNan(b)) scope.raise(kMxInvalid);
    return kUnordered;
  }
  a = Lane::flushed(a, scope.control());
  b = Lane::flushed(b, scope.control());
  if (Lane::isDenormal(a) || Lane::isDenormal(b)) scope.raise(kMxDenormal);
  // Sign and magnitude to two's complement; both zeros become 0.
  using Signed = std::make_signed_t<Bits>;
  const auto order = [](Bits x) { return static_cast<Signed>(x & Lane::kSign ? Bits{0} - (x & ~Lane::kSign) : x); };
  return order(a) < order(b) ? kLess : order(a) > order(b) ? kGreater : kEqual;
}

}  // namespace

template <class Bits>
Vec compareFloat(MxcsrScope& scope, Vec a, Vec b, unsigned predicate, int lanes) {
  const unsigned which = predicate & 15;
  const bool signalling = ((kSignalling >> which & 1) != 0) != ((predicate & 16) != 0);
  Lanes<Bits> r = as<Bits>(a);
  for (int i = 0; i < lanes; ++i) {
    r[i] = kHolds[which] & relate(scope, as<Bits>(a)[i], as<Bits>(b)[i], signalling) ? ~Bits{0} : Bits{0};
  }
  return vec(r);
}

template Vec compareFloat<std::uint32_t>(MxcsrScope&, Vec, Vec, unsigned, int);
template Vec compareFloat<std::uint64_t>(MxcsrScope&, Vec, Vec, unsigned, int);

}  // namespace rhea::x86::simd
