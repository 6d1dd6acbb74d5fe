// AES, SHA and carry-less multiplication against the standards' own examples, so that they are held to more than the
// host at hand (which may lack the instructions).
#include "target/x86/simd/crypto.h"

#include <gtest/gtest.h>

#include <array>

#include "target/x86/simd/shuffle.h"

namespace rhea::x86::simd {
namespace {

using Bytes = std::array<std::uint8_t, 16>;

Vec bytes(const char* hex) {
  Bytes b{};
  for (std::size_t n = 0; n < 16; ++n) {
    b[n] = static_cast<std::uint8_t>(std::stoul(std::string(hex + 2 * n, 2), nullptr, 16));
  }
  return loadVec(b.data());
}
::testing::AssertionResult same(Vec a, Vec b) {
  if (a[0] == b[0] && a[1] == b[1]) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << std::hex << a[1] << ":" << a[0] << " is not " << b[1] << ":" << b[0];
}

TEST(Aes, EncryptsTheExampleOfFips197) {
  // Appendix B: the round keys, the input, the result.
  const char* const keys[] = {
      "2b7e151628aed2a6abf7158809cf4f3c", "a0fafe1788542cb123a339392a6c7605", "f2c295f27a96b9435935807a7359f67f",
      "3d80477d4716fe3e1e237e446d7a883b", "ef44a541a8525b7fb671253bdb0bad00", "d4d1c6f87c839d87caf2b8bc11f915bc",
      "6d88a37a110b3efddbf98641ca0093fd", "4e54f70e5f5fc9f384a64fb24ea6dc4f", "ead27321b58dbad2312bf5607f8d292f",
      "ac7766f319fadc2128d12941575c006e", "d014f9a8c9ee2589e13f0cc8b6630ca6"};
  Vec state = bytes("3243f6a8885a308d313198a2e0370734") ^ bytes(keys[0]);
  for (int n = 1; n < 10; ++n) state = aesEncrypt(state, bytes(keys[n]));
  state = aesEncryptLast(state, bytes(keys[10]));
  EXPECT_TRUE(same(state, bytes("3925841d02dc09fbdc118597196a0b32")));

  state ^= bytes(keys[10]);
  for (int n = 9; n > 0; --n) state = aesDecrypt(state, aesInverseMixColumns(bytes(keys[n])));
  state = aesDecryptLast(state, bytes(keys[0]));
  EXPECT_TRUE(same(state, bytes("3243f6a8885a308d313198a2e0370734")));
}

TEST(Aes, AssistsTheKeyScheduleOfFips197) {
  Vec key = bytes("2b7e151628aed2a6abf7158809cf4f3c");
  const Vec assist = shuffleDwords(aesKeyGenAssist(key, 1), 0xff);
  key ^= shiftLeftBytes(key, 4);
  key ^= shiftLeftBytes(key, 8);
  EXPECT_TRUE(same(key ^ assist, bytes("a0fafe1788542cb123a339392a6c7605")));
}

// The block "abc" with its padding, as words; FIPS 180-4's examples.
constexpr std::array<std::uint32_t, 16> kAbc{0x61626380, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 24};

Vec words(std::uint32_t lane3, std::uint32_t lane2, std::uint32_t lane1, std::uint32_t lane0) {
  return vec(Lanes<std::uint32_t>{lane0, lane1, lane2, lane3});
}

TEST(Sha, HashesAbcWithSha1) {
  std::array<Vec, 20> w;
  for (std::size_t n = 0; n < 4; ++n) w[n] = words(kAbc[4 * n], kAbc[4 * n + 1], kAbc[4 * n + 2], kAbc[4 * n + 3]);
  for (std::size_t n = 4; n < 20; ++n) w[n] = sha1Message2(sha1Message1(w[n - 4], w[n - 3]) ^ w[n - 2], w[n - 1]);
  const Vec start = words(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476);
  const Vec e = words(0xc3d2e1f0, 0, 0, 0);
  Vec abcd = start;
  Vec last = e;
  for (std::size_t n = 0; n < 20; ++n) {
    const Vec message = n == 0 ? add<std::uint32_t>(w[0], e) : sha1NextE(last, w[n]);
    last = abcd;
    abcd = sha1Rounds4(abcd, message, static_cast<std::uint8_t>(n / 5));
  }
  EXPECT_TRUE(same(add<std::uint32_t>(abcd, start), words(0xa9993e36, 0x4706816a, 0xba3e2571, 0x7850c26c)));
  EXPECT_EQ(as<std::uint32_t>(sha1NextE(last, e))[3], 0x9cd0d89du);
}

TEST(Sha, HashesAbcWithSha256) {
  constexpr std::array<std::uint32_t, 64> kConstants{
      0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
      0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
      0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
      0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
      0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
      0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
      0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
      0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
  std::array<Vec, 16> w;
  for (std::size_t n = 0; n < 4; ++n) w[n] = words(kAbc[4 * n + 3], kAbc[4 * n + 2], kAbc[4 * n + 1], kAbc[4 * n]);
  for (std::size_t n = 4; n < 16; ++n) {
    const Vec w9to12 = alignRight(w[n - 1], w[n - 2], 4);
    w[n] = sha256Message2(add<std::uint32_t>(sha256Message1(w[n - 4], w[n - 3]), w9to12), w[n - 1]);
  }
  const Vec abef0 = words(0x6a09e667, 0xbb67ae85, 0x510e527f, 0x9b05688c);
  const Vec cdgh0 = words(0x3c6ef372, 0xa54ff53a, 0x1f83d9ab, 0x5be0cd19);
  Vec abef = abef0;
  Vec cdgh = cdgh0;
  for (std::size_t n = 0; n < 16; ++n) {
    const Vec k = words(kConstants[4 * n + 3], kConstants[4 * n + 2], kConstants[4 * n + 1], kConstants[4 * n]);
    const Vec sums = add<std::uint32_t>(w[n], k);
    cdgh = sha256Rounds2(cdgh, abef, sums);
    abef = sha256Rounds2(abef, cdgh, shuffleDwords(sums, 0x0e));
  }
  EXPECT_TRUE(same(add<std::uint32_t>(abef, abef0), words(0xba7816bf, 0x8f01cfea, 0xb00361a3, 0x96177a9c)));
  EXPECT_TRUE(same(add<std::uint32_t>(cdgh, cdgh0), words(0x414140de, 0x5dae2223, 0xb410ff61, 0xf20015ad)));
}

TEST(CarrylessMultiply, AddsShiftedCopiesWithoutCarry) {
  const Vec a = bytes("5d47085e53647b5bca7e4cd3be80b663");
  const Vec b = bytes("d5a3ae4fb3b3b8f2d2a7c6f0a7d5d1e9");
  // Bit by bit, for each choice of halves.
  for (const unsigned choice : {0x00u, 0x01u, 0x10u, 0x11u}) {
    Wide expected = 0;
    for (int bit = 0; bit < 64; ++bit) {
      if (b[choice >> 4] >> bit & 1) expected ^= Wide{a[choice & 1]} << bit;
    }
    EXPECT_TRUE(same(carrylessMultiply(a, b, static_cast<std::uint8_t>(choice)), narrow(expected)));
  }
}

}  // namespace
}  // namespace rhea::x86::simd
