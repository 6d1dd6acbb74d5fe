#include "emu/base/size.h"

#include <charconv>

namespace rhea {

namespace {

Error badSize(std::string_view text, std::string_view why) {
  return Error(fmt::format("'{}' is not a size: {}", text.substr(0, 60), why))
      .expected("a number of bytes, or a number and a unit such as 512M or 10G");
}

// How many bits the unit shifts by; nothing for what is no unit.
std::optional<unsigned> unitShift(std::string_view unit, SizeUnit bare) {
  if (unit.empty()) return bare == SizeUnit::kMiB ? 20U : 0U;
  if (unit == "B" || unit == "b") return 0U;
  constexpr std::string_view kLetters = "kmgtpe";
  const std::size_t at = kLetters.find(static_cast<char>(unit[0] | 0x20));
  const std::string_view tail = unit.substr(1);
  if (at == std::string_view::npos || !(tail.empty() || tail == "B" || tail == "b" || tail == "iB"))
    return std::nullopt;
  return static_cast<unsigned>(at + 1) * 10;
}

// The digits behind the point as a fraction of 2^64, enough for every unit.
std::uint64_t fractionOf(std::string_view digits) {
  unsigned __int128 value = 0;
  unsigned __int128 scale = 1;
  for (const char digit : digits.substr(0, 18)) {
    value = value * 10 + static_cast<unsigned>(digit - '0');
    scale *= 10;
  }
  return static_cast<std::uint64_t>((value << 64) / scale);
}

bool isDigit(char byte) { return byte >= '0' && byte <= '9'; }

}  // namespace

Result<std::uint64_t> parseSize(std::string_view text, SizeUnit bare) {
  if (text.empty()) return badSize(text, "nothing is there");
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  const std::string_view number = hex ? text.substr(2) : text;
  std::uint64_t whole = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), whole, hex ? 16 : 10);
  if (error == std::errc::result_out_of_range) return badSize(text, "it is more than 2^64 - 1");
  if (error != std::errc()) return badSize(text, "it must begin with a digit");
  std::string_view unit = number.substr(static_cast<std::size_t>(end - number.data()));
  if (hex && !unit.empty()) return badSize(text, "a hexadecimal number takes no unit");
  std::string_view fraction;
  if (unit.starts_with('.')) {
    fraction = unit.substr(1);
    fraction =
        fraction.substr(0, static_cast<std::size_t>(std::ranges::find_if_not(fraction, isDigit) - fraction.begin()));
    if (fraction.empty()) return badSize(text, "a digit must follow the point");
    unit.remove_prefix(1 + fraction.size());
  }
  const std::optional<unsigned> shift = unitShift(unit, hex ? SizeUnit::kByte : bare);
  if (!shift) return badSize(text, fmt::format("'{}' is no unit; there is k, M, G, T, P, E", unit.substr(0, 20)));
  if (!fraction.empty() && *shift == 0) return badSize(text, "a part of a byte");
  if (*shift > 0 && whole >> (64 - *shift) != 0) return badSize(text, "it is more than 2^64 - 1 bytes");
  const std::uint64_t part = *shift == 0 || fraction.empty() ? 0 : fractionOf(fraction) >> (64 - *shift);
  return (whole << *shift) + part;
}

std::string formatSize(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 7> kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  // Rounded to three digits as printed: 999.6 KiB would show as 1e+03.
  while (value >= (unit == 0 ? 1000.0 : 999.5) && unit + 1 < kUnits.size()) {
    value /= 1024;
    unit++;
  }
  return fmt::format("{:.3g} {}", value, kUnits[unit]);
}

std::string exactSize(std::uint64_t bytes) {
  constexpr std::string_view kLetters = " KMGTPE";
  std::size_t unit = 0;
  while (bytes != 0 && bytes % 1024 == 0 && unit + 1 < kLetters.size()) {
    bytes /= 1024;
    unit++;
  }
  return unit == 0 ? std::to_string(bytes) : fmt::format("{}{}", bytes, kLetters[unit]);
}

}  // namespace rhea
