#include "target/x86/simd/text.h"

#include <array>
#include <bit>

namespace rhea::x86::simd {
namespace {

struct Elements {
  std::array<std::int32_t, 16> value{};
  int count = 16;
};

Elements elements(Vec v, std::uint8_t imm) {
  Elements e;
  e.count = imm & 1 ? 8 : 16;
  for (int i = 0; i < e.count; ++i) {
    switch (imm & 3) {
      case 0:
        e.value[static_cast<std::size_t>(i)] = as<std::uint8_t>(v)[i];
        break;
      case 1:
        e.value[static_cast<std::size_t>(i)] = as<std::uint16_t>(v)[i];
        break;
      case 2:
        e.value[static_cast<std::size_t>(i)] = as<std::int8_t>(v)[i];
        break;
      default:
        e.value[static_cast<std::size_t>(i)] = as<std::int16_t>(v)[i];
    }
  }
  return e;
}

int untilZero(const Elements& e) {
  int n = 0;
  while (n < e.count && e.value[static_cast<std::size_t>(n)] != 0) ++n;
  return n;
}

std::uint32_t aggregate(const Elements& a, int lengthA, const Elements& b, int lengthB, std::uint8_t imm) {
  const int count = a.count;
  const auto at = [](const Elements& e, int i) { return e.value[static_cast<std::size_t>(i)]; };
  std::uint32_t bits = 0;
  for (int j = 0; j < count; ++j) {
    bool hit = false;
    switch (imm >> 2 & 3) {
      case 0:  // equal any: is b[j] in the set a?
        for (int i = 0; i < lengthA && j < lengthB; ++i) hit |= at(a, i) == at(b, j);
        break;
      case 1:  // ranges: is b[j] within one of a's pairs?
        for (int i = 0; i + 1 < lengthA && j < lengthB; i += 2) hit |= at(a, i) <= at(b, j) && at(b, j) <= at(a, i + 1);
        break;
      case 2:  // equal each; two ended strings are equal behind their ends
        hit = j < lengthA && j < lengthB ? at(a, j) == at(b, j) : j >= lengthA && j >= lengthB;
        break;
      default:  // equal ordered: does a, as far as the register shows b, stand at b + j?
        hit = true;
        for (int i = 0; i < lengthA && i + j < count; ++i) hit &= i + j < lengthB && at(a, i) == at(b, i + j);
    }
    bits |= std::uint32_t{hit} << j;
  }
  return bits;
}

TextResult compare(const Elements& a, int lengthA, const Elements& b, int lengthB, std::uint8_t imm) {
  std::uint32_t bits = aggregate(a, lengthA, b, lengthB, imm);
  const std::uint32_t all = (1u << a.count) - 1;
  // Polarity: 1 inverts all bits, 3 those of elements that are there.
  if ((imm >> 4 & 3) == 1) bits ^= all;
  if ((imm >> 4 & 3) == 3) bits ^= (1u << lengthB) - 1;
  return {bits, bits != 0, lengthB < a.count, lengthA < a.count, (bits & 1) != 0};
}

int clampLength(std::int64_t length, int count) {
  if (length > count || length < -count) return count;
  return static_cast<int>(length < 0 ? -length : length);
}

}  // namespace

TextResult compareText(Vec a, Vec b, std::uint8_t imm) {
  const Elements x = elements(a, imm);
  const Elements y = elements(b, imm);
  return compare(x, untilZero(x), y, untilZero(y), imm);
}

TextResult compareText(Vec a, std::int64_t lengthA, Vec b, std::int64_t lengthB, std::uint8_t imm) {
  const Elements x = elements(a, imm);
  const Elements y = elements(b, imm);
  return compare(x, clampLength(lengthA, x.count), y, clampLength(lengthB, y.count), imm);
}

std::uint32_t textIndex(const TextResult& result, std::uint8_t imm) {
  const std::uint32_t count = imm & 1 ? 8 : 16;
  if (result.bits == 0) return count;
  return static_cast<std::uint32_t>(imm & 0x40 ? std::bit_width(result.bits) - 1 : std::countr_zero(result.bits));
}

Vec textMask(const TextResult& result, std::uint8_t imm) {
  if (!(imm & 0x40)) return low(result.bits);
  if (imm & 1) {
    Lanes<std::uint16_t> r{};
    for (int i = 0; i < 8; ++i) r[i] = result.bits >> i & 1 ? 0xffff : 0;
    return vec(r);
  }
  Lanes<std::uint8_t> r{};
  for (int i = 0; i < 16; ++i) r[i] = result.bits >> i & 1 ? 0xff : 0;
  return vec(r);
}

}  // namespace rhea::x86::simd
