#include "emu/base/bug.h"

#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

namespace rhea {

void bug(std::string_view what) noexcept {
  static constexpr std::string_view kBefore = "rhea: bug: ";
  static constexpr std::string_view kAfter = "\n";
  const auto part = [](std::string_view text) { return iovec{const_cast<char*>(text.data()), text.size()}; };
  const std::array<iovec, 3> parts{part(kBefore), part(what), part(kAfter)};
  [[maybe_unused]] const auto written = ::writev(STDERR_FILENO, parts.data(), static_cast<int>(parts.size()));
  std::abort();
}

}  // namespace rhea
