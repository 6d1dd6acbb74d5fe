// AES-NI, SHA and PCLMULQDQ without the host's instructions (FIPS 197, FIPS 180-4, SDM volume 2).
#pragma once

#include "target/x86/simd/lanes.h"

namespace rhea::x86::simd {

Vec aesEncrypt(Vec state, Vec key);
Vec aesEncryptLast(Vec state, Vec key);
Vec aesDecrypt(Vec state, Vec key);
Vec aesDecryptLast(Vec state, Vec key);
Vec aesInverseMixColumns(Vec state);
Vec aesKeyGenAssist(Vec key, std::uint8_t roundConstant);

// imm[0] chooses the quadword of `a`, imm[4] that of `b`.
Vec carrylessMultiply(Vec a, Vec b, std::uint8_t imm);

Vec sha1NextE(Vec a, Vec b);
Vec sha1Message1(Vec a, Vec b);
Vec sha1Message2(Vec a, Vec b);
Vec sha1Rounds4(Vec a, Vec b, std::uint8_t function);
Vec sha256Message1(Vec a, Vec b);
Vec sha256Message2(Vec a, Vec b);
// `constants` is XMM0's: two sums of message word and round constant.
Vec sha256Rounds2(Vec a, Vec b, Vec constants);

}  // namespace rhea::x86::simd
