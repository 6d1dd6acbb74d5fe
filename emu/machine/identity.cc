#include "emu/machine/identity.h"

namespace rhea::machine {

Result<std::string> readUuid(std::string_view text) {
  constexpr std::string_view kForm = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  std::string uuid;
  bool fits = text.size() == kForm.size();
  for (std::size_t i = 0; fits && i < text.size(); ++i) {
    const char c = static_cast<char>(text[i] >= 'A' && text[i] <= 'F' ? text[i] - 'A' + 'a' : text[i]);
    fits = kForm[i] == '-' ? c == '-' : (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    uuid.push_back(c);
  }
  if (fits) return uuid;
  return Error(fmt::format("'{}' is no UUID", text))
      .expected(fmt::format("{} with hexadecimal digits", kForm))
      .withExitCode(2);
}

}  // namespace rhea::machine
