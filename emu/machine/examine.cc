#include "emu/machine/examine.h"

#include <charconv>

namespace rhea::machine {

namespace {

unsigned sizeOf(char letter) {
  switch (letter) {
    case 'b':
      return 1;
    case 'h':
      return 2;
    case 'w':
      return 4;
    case 'g':
      return 8;
    default:
      return 0;
  }
}

std::int64_t extended(std::uint64_t value, unsigned size) {
  const unsigned shift = 64 - 8 * size;
  return static_cast<std::int64_t>(value << shift) >> shift;
}

std::string character(std::uint64_t value) {
  const auto byte = static_cast<unsigned char>(value);
  if (byte == '\n') return "'\\n'";
  if (byte == '\r') return "'\\r'";
  if (byte == '\'' || byte == '\\') return fmt::format("'\\{}'", static_cast<char>(byte));
  return byte >= ' ' && byte < 0x7f ? fmt::format("'{}'", static_cast<char>(byte)) : fmt::format("'\\x{:02x}'", byte);
}

}  // namespace

Result<ExamineFormat> takeFormat(std::string_view& text, ExamineFormat initial) {
  ExamineFormat format = initial;
  while (text.starts_with(' ')) text.remove_prefix(1);
  if (!text.starts_with('/')) return format;
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view given = text.substr(1, end - 1);
  text.remove_prefix(end);
  const auto [rest, error] = std::from_chars(given.data(), given.data() + given.size(), format.count);
  if (error == std::errc::result_out_of_range || format.count > ExamineFormat::kMostItems || format.count == 0) {
    return Error(fmt::format("'/{}' asks for too many items, or none", given))
        .expected(fmt::format("1 to {}", ExamineFormat::kMostItems));
  }
  constexpr std::string_view kForms = "xduoci";
  for (const char* at = rest; at != given.data() + given.size(); ++at) {
    if (kForms.find(*at) != std::string_view::npos) {
      format.form = *at;
      if (*at == 'c' && given.find_first_of("bhwg") == std::string_view::npos) format.size = 1;
    } else if (sizeOf(*at) != 0) {
      format.size = sizeOf(*at);
    } else {
      return Error(fmt::format("'/{}' is no format", given))
          .expected("a count, one of x d u o c i, one of b h w g (1, 2, 4, 8 bytes)");
    }
  }
  return format;
}

std::string formatItem(std::uint64_t value, const ExamineFormat& format) {
  const unsigned bits = 8 * format.size;
  if (bits < 64) value &= (std::uint64_t{1} << bits) - 1;
  switch (format.form) {
    case 'd':
      return std::to_string(extended(value, format.size));
    case 'u':
      return std::to_string(value);
    case 'o':
      return fmt::format("{:#o}", value);
    case 'c':
      return character(value);
    default:
      return fmt::format("0x{:0{}x}", value, 2 * format.size);
  }
}

std::string formatItems(std::span<const std::byte> bytes, std::uint64_t address, const ExamineFormat& format,
                        int digits) {
  constexpr std::size_t kLine = 16;
  std::string text;
  for (std::size_t at = 0; at + format.size <= bytes.size(); at += format.size) {
    if (at % kLine == 0) text += fmt::format("{}{:0{}x}:", at == 0 ? "" : "\n", address + at, digits);
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data() + at, format.size);
    text += " " + formatItem(value, format);
  }
  return text + "\n";
}

}  // namespace rhea::machine
