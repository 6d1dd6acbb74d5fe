#include "emu/cpu/perf-map.h"

#include <fcntl.h>
#include <unistd.h>

namespace rhea::cpu {

Result<std::unique_ptr<PerfMap>> PerfMap::create() {
  const std::string name = fmt::format("/tmp/perf-{}.map", ::getpid());
  constexpr int kMode = 0644;
  // Nobody else's file is followed or written to: the folder is everybody's.
  ::unlink(name.c_str());
  Fd file(::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, kMode));
  if (!file) return Error(fmt::format("'{}' cannot be made: {}", name, std::strerror(errno)));
  return std::unique_ptr<PerfMap>(new PerfMap(std::move(file)));
}

void PerfMap::add(std::uint64_t address, std::size_t size, std::string_view name) {
  const std::string line = fmt::format("{:x} {:x} {}\n", address, size, name);
  const std::scoped_lock lock(mutex_);
  // A full disk costs names, not the guest.
  if (::write(file_.get(), line.data(), line.size()) < 0) return;
}

}  // namespace rhea::cpu
