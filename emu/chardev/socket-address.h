// Sockets by address: listening, connecting, names for people. All of it may block and is called on a worker thread.
#pragma once

#include "emu/base/base.h"
#include "emu/chardev/options.h"
#include "emu/chardev/stream.h"
#include "emu/io/fd.h"

namespace rhea::chardev {

// A file that listenOn() made, and that is removed when the server ends, as long as it is still the same.
struct SocketFile {
  std::string path;
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  void remove() const;
};

struct Listening {
  std::vector<Fd> sockets;  // several where a host name has several addresses
  std::optional<SocketFile> file;
};

// A UNIX socket file is made with mode 0600; one that nobody listens on any more is replaced.
// Errors: the path is too long, is no socket, is in use (by whom); the port is in use; no such host.
Result<Listening> listenOn(const UnixAddress& address);
Result<Listening> listenOn(const TcpAddress& address);

// Connected, or an error that says what to look at.
Result<Fd> connectTo(const UnixAddress& address);
Result<Fd> connectTo(const TcpAddress& address);

// "unix:/run/s", "tcp:127.0.0.1:4444": the local (or other) end of a socket; "fd:7" for anything else.
std::string localName(int fd);
std::string peerName(int fd);
// The names of an address that is not open yet.
std::string describe(const UnixAddress& address);
std::string describe(const TcpAddress& address);

bool isListening(int fd);
// Who is at the other end of a connected UNIX socket; empty for others.
Credentials peerCredentials(int fd);

}  // namespace rhea::chardev
