// Sockets that a service manager opened for us (systemd's LISTEN_FDS, see sd_listen_fds(3)).
#pragma once

#include "emu/base/base.h"
#include "emu/io/fd.h"

namespace rhea::chardev {

struct ListenFd {
  std::string name;  // of LISTEN_FDNAMES, else its number
  Fd fd;
};

// What LISTEN_FDS offers to this process, which is marked close-on-exec; the variables are removed, so that no child
// takes them for its own. Empty where LISTEN_PID names another process. Called once, before there are threads.
std::vector<ListenFd> takeListenFds();

}  // namespace rhea::chardev
