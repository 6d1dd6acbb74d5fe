#include "tests/target/random-values.h"

#include <cstring>

namespace rhea::x86::test {
namespace {

// A number of `bits` bits with a fraction of `fraction` bits.
std::uint64_t randomFloat(Random& random, unsigned bits, unsigned fraction) {
  const std::uint64_t sign = random.below(2) << (bits - 1);
  const std::uint64_t exponentMask = (std::uint64_t{1} << (bits - 1 - fraction)) - 1;
  const std::uint64_t fractionMask = (std::uint64_t{1} << fraction) - 1;
  const std::uint64_t bias = exponentMask / 2;
  std::uint64_t exponent = random.next() & exponentMask;
  std::uint64_t mantissa = random.next() & fractionMask;
  switch (random.below(12)) {
    case 0:
      exponent = mantissa = 0;
      break;
    case 1:
      exponent = exponentMask, mantissa = 0;
      break;
    case 2:
      exponent = exponentMask;
      break;
    case 3:
      exponent = 0, mantissa >>= random.below(fraction);
      break;
    case 4:
      exponent = bias + random.below(fraction + 3), mantissa &= ~(fractionMask >> random.below(fraction));
      break;
    case 5:
      exponent = bias - 1 + random.below(3);
      break;
    case 6:
      exponent = random.below(3);
      break;
    case 7:
      exponent = exponentMask - 1 - random.below(2);
      break;
    case 8:
      mantissa = random.chance(50) ? fractionMask : random.below(2);
      break;
    case 9:
      exponent = bias + random.below(64);
      if (exponent > exponentMask) exponent = bias;
      break;
    default:
      // Neighbouring magnitudes: sums cancel, products stay in range.
      exponent = bias - 4 + random.below(8);
  }
  return sign | exponent << fraction | mantissa;
}

template <class T>
void put(std::span<std::uint8_t> to, std::size_t at, T value) {
  std::memcpy(to.data() + at, &value, sizeof value);
}

}  // namespace

std::uint64_t randomInteger(Random& random) {
  switch (random.below(8)) {
    case 0:
      return random.below(3) - 1;
    case 1:
      return std::uint64_t{1} << random.below(64);
    case 2:
      return (std::uint64_t{1} << random.below(64)) - 1;
    case 3:
      return ~(std::uint64_t{1} << random.below(64));
    case 4:
      return random.below(256);
    case 5:
      return std::uint64_t{0} - random.below(256);
    default:
      return random.next();
  }
}

void randomLanes(Random& random, std::span<std::uint8_t> to) {
  const std::uint64_t kind = random.below(7);
  for (std::size_t at = 0; at + 8 <= to.size(); at += 8) {
    switch (kind) {
      case 0:
      case 1:
        put(to, at, static_cast<std::uint32_t>(randomFloat(random, 32, 23)));
        put(to, at + 4, static_cast<std::uint32_t>(randomFloat(random, 32, 23)));
        break;
      case 2:
      case 3:
        put(to, at, randomFloat(random, 64, 52));
        break;
      case 4:
        for (std::size_t n = 0; n < 8; n += 2) put(to, at + n, static_cast<std::uint16_t>(randomFloat(random, 16, 10)));
        break;
      case 5:
        // Few different bytes with zeros among them, as text comparisons want.
        for (std::size_t n = 0; n < 8; ++n)
          to[at + n] = static_cast<std::uint8_t>(random.chance(8) ? 0 : 'a' + random.below(4));
        break;
      default:
        put(to, at, random.chance(50) ? randomInteger(random) : random.next());
    }
  }
}

void randomExtended(Random& random, std::uint8_t* to) {
  std::uint64_t mantissa = random.next() | std::uint64_t{1} << 63;
  std::uint64_t exponent = random.below(0x8000);
  switch (random.below(12)) {
    case 0:
      mantissa = exponent = 0;
      break;
    case 1:
      exponent = 0x7fff, mantissa = std::uint64_t{1} << 63;
      break;
    case 2:
      exponent = 0x7fff;
      break;
    case 3:
      exponent = 0, mantissa >>= random.below(64);
      break;
    case 4:
      mantissa &= ~(std::uint64_t{1} << 63);  // unnormal, pseudo-infinity
      break;
    case 5:
      exponent = random.below(3);
      break;
    case 6:
      exponent = 0x7ffe - random.below(3);
      break;
    case 7:
      exponent = 0x3fff + random.below(66), mantissa &= ~std::uint64_t{0} << random.below(64);
      break;
    case 8:
      exponent = 0x3fff - 1023 - 70 + random.below(80);  // about the smallest doubles
      break;
    case 9:
      exponent = 0x3fff, mantissa = std::uint64_t{1} << 63;
      break;
    default:
      exponent = 0x3fff - 4 + random.below(8);
  }
  exponent |= random.below(2) << 15;
  std::memcpy(to, &mantissa, 8);
  std::memcpy(to + 8, &exponent, 2);
}

}  // namespace rhea::x86::test
