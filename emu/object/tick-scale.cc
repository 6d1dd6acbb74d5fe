#include "emu/object/tick-scale.h"

#include <fcntl.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace rhea::object {

namespace {

bool hostKeepsTimeByTicks() {
  const int file = ::open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  std::array<char, 16> name{};
  const ssize_t size = ::read(file, name.data(), name.size());
  ::close(file);
  return size > 0 && std::string_view(name.data(), static_cast<std::size_t>(size)) == "tsc\n";
}

}  // namespace

bool hostTicksAreSteady() {
#if defined(__x86_64__)
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  constexpr unsigned kInvariant = 1U << 8;
  return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & kInvariant) != 0 && hostKeepsTimeByTicks();
#else
  return false;
#endif
}

}  // namespace rhea::object
