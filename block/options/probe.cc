#include "block/options/probe.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emu/io/fd.h"

namespace rhea::block {

namespace {

constexpr std::size_t kProbedBytes = 2048;  // every format shows itself within them

}  // namespace

ImageLook lookAtImage(const std::string& path, bool wantsHead) {
  ImageLook look;
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) return look;
  look.blockDevice = S_ISBLK(facts.st_mode);
  if (!wantsHead || (!look.blockDevice && !S_ISREG(facts.st_mode))) return look;
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return look;
  look.head.resize(kProbedBytes);
  const ssize_t got = ::pread(fd.get(), look.head.data(), look.head.size(), 0);
  look.head.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return look;
}

std::string_view probeFormat(const DriverRegistry& drivers, std::span<const std::byte> head, std::string_view name) {
  std::string_view best = "raw";
  int bestScore = 0;
  for (const DriverInfo* driver : drivers.all()) {
    const int score = driver->probe == nullptr || driver->name == "raw" ? 0 : driver->probe(head, name);
    if (score > bestScore) {
      best = driver->name;
      bestScore = score;
    }
  }
  return best;
}

}  // namespace rhea::block
