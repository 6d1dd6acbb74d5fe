#include "emu/base/aes-cbc.h"

#include "config.h"

#if RHEA_HAVE_NETTLE
#include <nettle/aes.h>
#include <nettle/cbc.h>
#include <string.h>
#endif

namespace rhea {

#if RHEA_HAVE_NETTLE

namespace {

const std::uint8_t* bytesOf(std::string_view text) { return reinterpret_cast<const std::uint8_t*>(text.data()); }

// How many bytes at the end are padding; 0 where they are none.
std::size_t paddingOf(std::string_view text) {
  const auto count = static_cast<unsigned char>(text.back());
  if (count == 0 || count > kAesBlockSize) return 0;
  const std::string_view padding = text.substr(text.size() - count);
  const bool same = std::all_of(padding.begin(), padding.end(), [&](char each) { return each == text.back(); });
  return same ? count : 0;
}

}  // namespace

Result<std::string> decryptAes256Cbc(std::string_view key, std::string_view initialVector, std::string_view cipher) {
  if (key.size() != kAes256KeySize) {
    return Error(fmt::format("a key of {} bytes", key.size()))
        .expected(fmt::format("{} bytes, for AES-256", kAes256KeySize));
  }
  if (initialVector.size() != kAesBlockSize) {
    return Error(fmt::format("an initial vector of {} bytes", initialVector.size()))
        .expected(fmt::format("{} bytes", kAesBlockSize));
  }
  if (cipher.empty() || cipher.size() % kAesBlockSize != 0) {
    return Error(fmt::format("{} encrypted bytes", cipher.size()))
        .expected(fmt::format("a whole number of blocks of {} bytes, one at least", kAesBlockSize));
  }
  aes256_ctx context;
  aes256_set_decrypt_key(&context, bytesOf(key));
  std::array<std::uint8_t, kAesBlockSize> vector;
  std::copy(initialVector.begin(), initialVector.end(), vector.begin());
  std::string text(cipher.size(), '\0');
  cbc_decrypt(&context, reinterpret_cast<nettle_cipher_func*>(&aes256_decrypt), kAesBlockSize, vector.data(),
              text.size(), reinterpret_cast<std::uint8_t*>(text.data()), bytesOf(cipher));
  ::explicit_bzero(&context, sizeof context);
  const std::size_t padding = paddingOf(text);
  if (padding == 0) {
    ::explicit_bzero(text.data(), text.size());
    return Error("what was decrypted does not end in padding")
        .hint("the key, the initial vector or the encrypted bytes are not those that belong together");
  }
  text.resize(text.size() - padding);
  return text;
}

#else

Result<std::string> decryptAes256Cbc(std::string_view, std::string_view, std::string_view) {
  return Error("this build cannot decrypt: it was made without the nettle library")
      .hint("install nettle-dev, then ./configure --enable-nettle and make");
}

#endif

}  // namespace rhea
