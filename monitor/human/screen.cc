#include "monitor/human/screen.h"

namespace rhea::monitor {

std::string Dress::paint(Tone tone, std::string_view text) const {
  static constexpr std::array<std::string_view, 6> kCodes = {"",         "\x1b[1m",  "\x1b[32m",
                                                             "\x1b[33m", "\x1b[31m", "\x1b[2m"};
  const std::string_view code = kCodes[static_cast<std::size_t>(tone)];
  if (!colour_ || code.empty()) return std::string(text);
  return fmt::format("{}{}\x1b[0m", code, text);
}

}  // namespace rhea::monitor
