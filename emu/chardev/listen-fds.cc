#include "emu/chardev/listen-fds.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>

namespace rhea::chardev {

std::vector<ListenFd> takeListenFds() {
  constexpr int kFirst = 3;
  constexpr int kMost = 1024;
  const char* pid = std::getenv("LISTEN_PID");
  const char* count = std::getenv("LISTEN_FDS");
  const char* namesText = std::getenv("LISTEN_FDNAMES");
  std::vector<ListenFd> result;
  if (pid != nullptr && count != nullptr && std::atol(pid) == getpid()) {
    std::string_view names = namesText == nullptr ? std::string_view() : namesText;
    for (int fd = kFirst; fd < kFirst + std::min(std::atoi(count), kMost); ++fd) {
      const std::string_view name = names.substr(0, names.find(':'));
      names.remove_prefix(std::min(names.size(), name.size() + 1));
      if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) continue;
      result.push_back({name.empty() || name == "unknown" ? std::to_string(fd) : std::string(name), Fd(fd)});
    }
  }
  unsetenv("LISTEN_PID");
  unsetenv("LISTEN_FDS");
  unsetenv("LISTEN_FDNAMES");
  return result;
}

}  // namespace rhea::chardev
