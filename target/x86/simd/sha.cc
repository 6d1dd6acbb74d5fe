#include <array>
#include <bit>

#include "target/x86/simd/crypto.h"

namespace rhea::x86::simd {
namespace {

using Words = Lanes<std::uint32_t>;
constexpr auto rotl = std::rotl<std::uint32_t>;
constexpr auto rotr = std::rotr<std::uint32_t>;

constexpr std::array<std::uint32_t, 4> kSha1Constants{0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};

std::uint32_t sha1Function(unsigned which, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
  switch (which) {
    case 0:
      return (b & c) ^ (~b & d);
    case 2:
      return (b & c) ^ (b & d) ^ (c & d);
    default:
      return b ^ c ^ d;
  }
}

std::uint32_t smallSigma0(std::uint32_t x) { return rotr(x, 7) ^ rotr(x, 18) ^ x >> 3; }
std::uint32_t smallSigma1(std::uint32_t x) { return rotr(x, 17) ^ rotr(x, 19) ^ x >> 10; }
std::uint32_t bigSigma0(std::uint32_t x) { return rotr(x, 2) ^ rotr(x, 13) ^ rotr(x, 22); }
std::uint32_t bigSigma1(std::uint32_t x) { return rotr(x, 6) ^ rotr(x, 11) ^ rotr(x, 25); }

}  // namespace

// The first word of a block stands in lane 3.
Vec sha1NextE(Vec a, Vec b) {
  Words r = as<std::uint32_t>(b);
  r[3] += rotl(as<std::uint32_t>(a)[3], 30);
  return vec(r);
}
Vec sha1Message1(Vec a, Vec b) {
  const auto x = as<std::uint32_t>(a);
  const auto y = as<std::uint32_t>(b);
  return vec(Words{x[0] ^ y[2], x[1] ^ y[3], x[2] ^ x[0], x[3] ^ x[1]});
}
Vec sha1Message2(Vec a, Vec b) {
  const auto x = as<std::uint32_t>(a);
  const auto y = as<std::uint32_t>(b);
  const std::uint32_t w16 = rotl(x[3] ^ y[2], 1);
  return vec(Words{rotl(x[0] ^ w16, 1), rotl(x[1] ^ y[0], 1), rotl(x[2] ^ y[1], 1), w16});
}
Vec sha1Rounds4(Vec a, Vec b, std::uint8_t function) {
  const unsigned which = function & 3;
  const auto x = as<std::uint32_t>(a);
  const auto message = as<std::uint32_t>(b);
  std::uint32_t A = x[3], B = x[2], C = x[1], D = x[0], E = 0;
  for (int i = 0; i < 4; ++i) {
    // E of the first round is already in message[3]: sha1nexte put it there.
    const std::uint32_t next = sha1Function(which, B, C, D) + rotl(A, 5) + message[3 - i] + E + kSha1Constants[which];
    E = D;
    D = C;
    C = rotl(B, 30);
    B = A;
    A = next;
  }
  return vec(Words{D, C, B, A});
}

Vec sha256Message1(Vec a, Vec b) {
  const auto w = as<std::uint32_t>(a);
  const std::uint32_t w4 = as<std::uint32_t>(b)[0];
  return vec(
      Words{w[0] + smallSigma0(w[1]), w[1] + smallSigma0(w[2]), w[2] + smallSigma0(w[3]), w[3] + smallSigma0(w4)});
}
Vec sha256Message2(Vec a, Vec b) {
  const auto x = as<std::uint32_t>(a);
  const auto w = as<std::uint32_t>(b);
  const std::uint32_t w16 = x[0] + smallSigma1(w[2]);
  const std::uint32_t w17 = x[1] + smallSigma1(w[3]);
  return vec(Words{w16, w17, x[2] + smallSigma1(w16), x[3] + smallSigma1(w17)});
}
Vec sha256Rounds2(Vec a, Vec b, Vec constants) {
  const auto x = as<std::uint32_t>(a);
  const auto y = as<std::uint32_t>(b);
  std::uint32_t A = y[3], B = y[2], C = x[3], D = x[2], E = y[1], F = y[0], G = x[1], H = x[0];
  for (int i = 0; i < 2; ++i) {
    const std::uint32_t choice = (E & F) ^ (~E & G);
    const std::uint32_t majority = (A & B) ^ (A & C) ^ (B & C);
    const std::uint32_t t = choice + bigSigma1(E) + as<std::uint32_t>(constants)[i] + H;
    const std::uint32_t newA = t + majority + bigSigma0(A);
    H = G;
    G = F;
    F = E;
    E = t + D;
    D = C;
    C = B;
    B = A;
    A = newA;
  }
  return vec(Words{F, E, B, A});
}

}  // namespace rhea::x86::simd
