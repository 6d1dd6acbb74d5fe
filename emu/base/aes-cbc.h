// AES-256 in CBC mode with PKCS #7 padding (NIST SP 800-38A; RFC 5652, 6.3): how clients wrap secrets.
#pragma once

#include "emu/base/base.h"

namespace rhea {

constexpr std::size_t kAes256KeySize = 32;
constexpr std::size_t kAesBlockSize = 16;

// The text of `cipher` without its padding. Errors: this build has no AES; a key that is not 32 bytes or an initial
// vector that is not 16; a length that is no whole number of blocks; padding that shows a wrong key, vector or cipher.
Result<std::string> decryptAes256Cbc(std::string_view key, std::string_view initialVector, std::string_view cipher);

}  // namespace rhea
