#include "emu/base/visible-text.h"

namespace rhea {

namespace {

// Length of a sequence that chooses a colour, at the start of `text`; 0: there is none.
std::size_t colourLength(std::string_view text) {
  if (!text.starts_with("\x1b[")) return 0;
  const std::size_t end = text.find_first_not_of("0123456789;", 2);
  return end != std::string_view::npos && text[end] == 'm' ? end + 1 : 0;
}

bool isControl(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return (first < 0x20 && first != '\n' && first != '\t') || first == 0x7F;
  return first == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0;
}

}  // namespace

std::size_t utf8Length(std::string_view text) {
  const auto byte = [&text](std::size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U; };
  const auto isTail = [&byte](std::size_t at) { return (byte(at) & 0xC0U) == 0x80U; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return text.empty() ? 0 : 1;
  if (lead < 0xC2) return 0;
  if (lead < 0xE0) return isTail(1) ? 2 : 0;
  if (lead < 0xF0) {
    const unsigned low = lead == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = lead == 0xED ? 0x9F : 0xBF;
    return byte(1) >= low && byte(1) <= high && isTail(2) ? 3 : 0;
  }
  if (lead > 0xF4) return 0;
  const unsigned low = lead == 0xF0 ? 0x90 : 0x80;
  const unsigned high = lead == 0xF4 ? 0x8F : 0xBF;
  return byte(1) >= low && byte(1) <= high && isTail(2) && isTail(3) ? 4 : 0;
}

std::string visible(std::string_view text, bool colours) {
  std::string shown;
  shown.reserve(text.size());
  while (!text.empty()) {
    std::size_t length = colours ? colourLength(text) : 0;
    if (length == 0) {
      length = utf8Length(text);
      if (length == 0 || isControl(text.substr(0, length))) {
        length = std::max<std::size_t>(length, 1);
        for (const char byte : text.substr(0, length))
          shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
        text.remove_prefix(length);
        continue;
      }
    }
    shown.append(text.substr(0, length));
    text.remove_prefix(length);
  }
  return shown;
}

}  // namespace rhea
