#include <array>

#include "target/x86/simd/crypto.h"

namespace rhea::x86::simd {
namespace {

constexpr std::uint8_t doubled(std::uint8_t x) { return static_cast<std::uint8_t>(x << 1 ^ (x & 0x80 ? 0x1b : 0)); }
constexpr std::uint8_t multiply(std::uint8_t a, std::uint8_t b) {
  std::uint8_t r = 0;
  for (; b; b = static_cast<std::uint8_t>(b >> 1), a = doubled(a)) {
    if (b & 1) r ^= a;
  }
  return r;
}

struct Tables {
  std::array<std::uint8_t, 256> box{};
  std::array<std::uint8_t, 256> inverseBox{};
  // A byte's contribution to its column, as a little-endian word for row 0; the other rows rotate it.
  std::array<std::uint32_t, 256> mix{};
  std::array<std::uint32_t, 256> inverseMix{};
};

constexpr std::uint32_t column(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
  return static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b) << 8 | static_cast<std::uint32_t>(c) << 16 |
         static_cast<std::uint32_t>(d) << 24;
}

constexpr Tables makeTables() {
  Tables t;
  // 3 generates the field; 0xf6 is its inverse: p and q walk through all pairs of inverses.
  std::uint8_t p = 1;
  std::uint8_t q = 1;
  do {
    p = static_cast<std::uint8_t>(p ^ doubled(p));
    q = multiply(q, 0xf6);
    const unsigned twice = q * 0x101u;
    const auto s = static_cast<std::uint8_t>(q ^ twice >> 7 ^ twice >> 6 ^ twice >> 5 ^ twice >> 4 ^ 0x63);
    t.box[p] = s;
  } while (p != 1);
  t.box[0] = 0x63;
  for (unsigned i = 0; i < 256; ++i) {
    t.inverseBox[t.box[i]] = static_cast<std::uint8_t>(i);
    const auto x = static_cast<std::uint8_t>(i);
    t.mix[i] = column(multiply(x, 2), x, x, multiply(x, 3));
    t.inverseMix[i] = column(multiply(x, 14), multiply(x, 9), multiply(x, 13), multiply(x, 11));
  }
  return t;
}
constexpr Tables kTables = makeTables();

// Row r of column c comes from column c + r (encryption) or c - r (decryption).
Vec shiftRows(Vec state, int direction) {
  const auto from = as<std::uint8_t>(state);
  Lanes<std::uint8_t> to{};
  for (int i = 0; i < 16; ++i) to[i] = from[(i + direction * 4 * (i & 3)) & 15];
  return vec(to);
}
Vec substitute(Vec state, const std::array<std::uint8_t, 256>& box) {
  auto x = as<std::uint8_t>(state);
  for (int i = 0; i < 16; ++i) x[i] = box[x[i]];
  return vec(x);
}
Vec mixColumns(Vec state, const std::array<std::uint32_t, 256>& mix) {
  const auto from = as<std::uint8_t>(state);
  Lanes<std::uint32_t> to{};
  for (int c = 0; c < 4; ++c) {
    std::uint32_t r = 0;
    for (int row = 0; row < 4; ++row) {
      const std::uint32_t word = mix[from[4 * c + row]];
      r ^= row ? word << (8 * row) | word >> (32 - 8 * row) : word;
    }
    to[c] = r;
  }
  return vec(to);
}
std::uint32_t substituteWord(std::uint32_t word) {
  return column(kTables.box[word & 255], kTables.box[word >> 8 & 255], kTables.box[word >> 16 & 255],
                kTables.box[word >> 24]);
}

}  // namespace

Vec aesEncryptLast(Vec state, Vec key) { return substitute(shiftRows(state, 1), kTables.box) ^ key; }
Vec aesEncrypt(Vec state, Vec key) {
  return mixColumns(substitute(shiftRows(state, 1), kTables.box), kTables.mix) ^ key;
}
Vec aesDecryptLast(Vec state, Vec key) { return substitute(shiftRows(state, -1), kTables.inverseBox) ^ key; }
Vec aesDecrypt(Vec state, Vec key) {
  return mixColumns(substitute(shiftRows(state, -1), kTables.inverseBox), kTables.inverseMix) ^ key;
}
Vec aesInverseMixColumns(Vec state) { return mixColumns(state, kTables.inverseMix); }

Vec aesKeyGenAssist(Vec key, std::uint8_t roundConstant) {
  const auto x = as<std::uint32_t>(key);
  Lanes<std::uint32_t> r{};
  for (int i = 0; i < 2; ++i) {
    const std::uint32_t word = substituteWord(x[2 * i + 1]);
    r[2 * i] = word;
    r[2 * i + 1] = (word >> 8 | word << 24) ^ roundConstant;
  }
  return vec(r);
}

}  // namespace rhea::x86::simd
