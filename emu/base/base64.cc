#include "emu/base/base64.h"

namespace rhea {

namespace {

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64Digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

}  // namespace

std::string encodeBase64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::string_view part = bytes.substr(at, 3);
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = group << 8 | (i < part.size() ? static_cast<unsigned char>(part[i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) text.push_back(i <= part.size() ? kDigits[group >> (18 - 6 * i) & 63U] : '=');
  }
  return text;
}

Result<std::string> decodeBase64(std::string_view text) {
  std::string bytes;
  std::uint32_t group = 0;
  unsigned digits = 0;
  unsigned padding = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') continue;
    const int digit = base64Digit(c);
    const bool isPadding = c == '=' && digits >= 2;
    if ((digit < 0 && !isPadding) || (padding > 0 && !isPadding)) {
      return Error(fmt::format("no Base64: character {} does not belong there", i + 1));
    }
    if (isPadding) ++padding;
    group = group << 6 | static_cast<std::uint32_t>(isPadding ? 0 : digit);
    if (++digits < 4) continue;
    for (unsigned byte = 0; byte < 3 - padding; ++byte) bytes.push_back(static_cast<char>(group >> (16 - 8 * byte)));
    group = 0;
    digits = 0;
    if (padding > 0) padding = 3;  // nothing may follow
  }
  if (digits != 0) return Error("no Base64: it ends inside a group of four characters");
  return bytes;
}

}  // namespace rhea
