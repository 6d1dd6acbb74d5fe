#include "emu/chardev/socket-address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>

namespace rhea::chardev {

namespace {

constexpr int kBacklog = 128;
constexpr int kConnectMilliseconds = 10'000;

struct UnixName {
  sockaddr_un name = {};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&name); }
};

Result<UnixName> nameOf(const UnixAddress& address) {
  UnixName result;
  result.name.sun_family = AF_UNIX;
  const std::size_t room = sizeof(result.name.sun_path) - 1;
  if (address.path.empty()) return Error("a UNIX socket needs a path").where("path");
  if (address.path.size() > room) {
    return Error(fmt::format("the socket path '{}' is too long: {} bytes", address.path, address.path.size()))
        .where("path")
        .expected(fmt::format("at most {} bytes", room))
        .hint("use a shorter folder, or a path relative to the working folder");
  }
  char* to = result.name.sun_path + (address.abstract ? 1 : 0);
  std::memcpy(to, address.path.data(), address.path.size());
  const std::size_t used = offsetof(sockaddr_un, sun_path) + address.path.size() + 1;
  result.size = static_cast<socklen_t>(address.abstract && !address.tight ? sizeof(result.name) : used);
  return result;
}

// The process that listens on a socket that we reached: "process 4711 (rhea)".
std::string ownerText(int fd) {
  const Credentials owner = peerCredentials(fd);
  if (owner.pid == 0) return "another process";
  return owner.program.empty() ? fmt::format("process {}", owner.pid)
                               : fmt::format("process {} ({})", owner.pid, owner.program);
}

// Makes way for a new socket: a file that nobody listens on goes.
Result<void> clearPath(const UnixAddress& address, const UnixName& name) {
  struct stat status = {};
  if (lstat(address.path.c_str(), &status) != 0) return success();
  if (!S_ISSOCK(status.st_mode)) {
    return Error(fmt::format("'{}' exists and is not a socket", address.path))
        .where(address.path)
        .hint("choose another path, or remove the file");
  }
  const Fd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const bool reached = connect(probe.get(), name.get(), name.size) == 0;
  if (reached || errno == EAGAIN) {
    return Error(fmt::format("the socket '{}' is in use: {} listens on it", address.path,
                             reached ? ownerText(probe.get()) : "another process"))
        .where(address.path)
        .hint("choose another path, or end that process");
  }
  if (errno != ECONNREFUSED) {
    return Error::fromErrno(errno, fmt::format("cannot tell whether the socket '{}' is in use", address.path));
  }
  if (unlink(address.path.c_str()) != 0 && errno != ENOENT) {
    return Error::fromErrno(errno, fmt::format("cannot remove the stale socket '{}'", address.path));
  }
  return success();
}

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Result<Addresses> resolve(const TcpAddress& address, bool server) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = server ? AI_PASSIVE : 0;
  const bool four = address.ipv4.value_or(!address.ipv6.value_or(false));
  const bool six = address.ipv6.value_or(!address.ipv4.value_or(false));
  if (!four && !six) return Error("ipv4=off and ipv6=off leave no address to use");
  hints.ai_family = four && six ? AF_UNSPEC : four ? AF_INET : AF_INET6;
  addrinfo* list = nullptr;
  const char* host = address.host.empty() ? nullptr : address.host.c_str();
  if (const int failed = getaddrinfo(host, address.port.c_str(), &hints, &list); failed != 0) {
    return Error(fmt::format("cannot resolve host '{}', port '{}': {}", address.host, address.port,
                             failed == EAI_SYSTEM ? std::strerror(errno) : gai_strerror(failed)));
  }
  return Addresses(list);
}

Result<Fd> listenAt(const addrinfo& where) {
  Fd fd(socket(where.ai_family, where.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, where.ai_protocol));
  if (!fd.valid()) return Error::fromErrno(errno);
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (where.ai_family == AF_INET6) setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  if (bind(fd.get(), where.ai_addr, where.ai_addrlen) != 0 || listen(fd.get(), kBacklog) != 0) {
    return Error::fromErrno(errno);
  }
  return fd;
}

// Non-blocking connect with a bound.
Result<void> finishConnect(int fd) {
  pollfd state = {fd, POLLOUT, 0};
  if (poll(&state, 1, kConnectMilliseconds) <= 0) return Error::fromErrno(ETIMEDOUT);
  int code = 0;
  socklen_t size = sizeof(code);
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size);
  return code == 0 ? success() : Result<void>(Error::fromErrno(code));
}

std::string nameOfSocket(const sockaddr_storage& storage, socklen_t size, int fd) {
  if (storage.ss_family == AF_UNIX) {
    const auto& name = reinterpret_cast<const sockaddr_un&>(storage);
    const std::size_t length = size - std::min<std::size_t>(size, offsetof(sockaddr_un, sun_path));
    if (length == 0) return "unix:";
    if (name.sun_path[0] == '\0') return fmt::format("unix:{}", std::string_view(name.sun_path + 1, length - 1));
    return fmt::format("unix:{}", std::string_view(name.sun_path, strnlen(name.sun_path, length)));
  }
  std::array<char, NI_MAXHOST> host = {};
  std::array<char, NI_MAXSERV> port = {};
  if (getnameinfo(reinterpret_cast<const sockaddr*>(&storage), size, host.data(), host.size(), port.data(), port.size(),
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return fmt::format("fd:{}", fd);
  }
  if (storage.ss_family == AF_INET6) return fmt::format("tcp:[{}]:{}", host.data(), port.data());
  return fmt::format("tcp:{}:{}", host.data(), port.data());
}

}  // namespace

void SocketFile::remove() const {
  struct stat status = {};
  if (lstat(path.c_str(), &status) == 0 && status.st_dev == device && status.st_ino == inode) unlink(path.c_str());
}

Result<Listening> listenOn(const UnixAddress& address) {
  RHEA_TRY(const UnixName name, nameOf(address));
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return Error::fromErrno(errno, "cannot make a UNIX socket");
  if (!address.abstract) {
    RHEA_CHECK(clearPath(address, name));
    // Linux takes the mode of the file from the socket: it is never open to others, not even for a moment.
    fchmod(fd.get(), 0600);
  }
  if (bind(fd.get(), name.get(), name.size) != 0 || listen(fd.get(), kBacklog) != 0) {
    return Error::fromErrno(errno, fmt::format("cannot listen on the socket '{}'", address.path)).where(address.path);
  }
  Listening result;
  struct stat status = {};
  if (!address.abstract && lstat(address.path.c_str(), &status) == 0) {
    result.file = SocketFile{address.path, status.st_dev, status.st_ino};
  }
  result.sockets.push_back(std::move(fd));
  return result;
}

Result<Listening> listenOn(const TcpAddress& address) {
  unsigned first = 0;
  const auto parsed = std::from_chars(address.port.data(), address.port.data() + address.port.size(), first);
  const unsigned last = parsed.ec == std::errc() ? std::max<unsigned>(first, address.to) : first;
  TcpAddress tried = address;
  std::optional<Error> failure;
  for (unsigned port = first; port <= last; ++port) {
    if (parsed.ec == std::errc()) tried.port = std::to_string(port);
    RHEA_TRY(const Addresses list, resolve(tried, true));
    Listening result;
    for (const addrinfo* at = list.get(); at != nullptr; at = at->ai_next) {
      Result<Fd> fd = listenAt(*at);
      if (fd.ok()) {
        result.sockets.push_back(*std::move(fd));
        if (port == 0) break;  // the host chose one; another address would get another
      } else if (!failure || fd.error().code() == EADDRINUSE) {
        failure = fd.takeError();
      }
    }
    if (!result.sockets.empty()) return result;
  }
  const int code = failure ? failure->code() : EADDRNOTAVAIL;
  return Error::fromErrno(code, fmt::format("cannot listen on {}", describe(address)))
      .hint(code == EADDRINUSE ? "choose another port, or to=PORT for a range" : "");
}

Result<Fd> connectTo(const UnixAddress& address) {
  RHEA_TRY(const UnixName name, nameOf(address));
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return Error::fromErrno(errno, "cannot make a UNIX socket");
  if (connect(fd.get(), name.get(), name.size) != 0) {
    const int code = errno;
    return Error::fromErrno(code, fmt::format("cannot connect to the socket '{}'", address.path))
        .where(address.path)
        .hint(code == ECONNREFUSED ? "nobody listens on it any more" : "");
  }
  return fd;
}

Result<Fd> connectTo(const TcpAddress& address) {
  TcpAddress wanted = address;
  if (wanted.host.empty()) wanted.host = "localhost";
  RHEA_TRY(const Addresses list, resolve(wanted, false));
  Error failure = Error::fromErrno(EADDRNOTAVAIL);
  for (const addrinfo* at = list.get(); at != nullptr; at = at->ai_next) {
    Fd fd(socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, at->ai_protocol));
    if (!fd.valid()) continue;
    Result<void> connected = success();
    if (connect(fd.get(), at->ai_addr, at->ai_addrlen) != 0) {
      connected = errno == EINPROGRESS ? finishConnect(fd.get()) : Result<void>(Error::fromErrno(errno));
    }
    if (connected.ok()) return fd;
    failure = connected.takeError();
  }
  return std::move(failure).context(fmt::format("cannot connect to {}", describe(wanted)));
}

std::string localName(int fd) {
  sockaddr_storage storage = {};
  socklen_t size = sizeof(storage);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return fmt::format("fd:{}", fd);
  return nameOfSocket(storage, size, fd);
}

std::string peerName(int fd) {
  sockaddr_storage storage = {};
  socklen_t size = sizeof(storage);
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return fmt::format("fd:{}", fd);
  return nameOfSocket(storage, size, fd);
}

std::string describe(const UnixAddress& address) { return "unix:" + address.path; }

std::string describe(const TcpAddress& address) { return fmt::format("tcp:{}:{}", address.host, address.port); }

bool isListening(int fd) {
  int listening = 0;
  socklen_t size = sizeof(listening);
  return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

Credentials peerCredentials(int fd) {
  Credentials result;
  ucred peer = {};
  socklen_t size = sizeof(peer);
  int domain = 0;
  socklen_t domainSize = sizeof(domain);
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &domainSize) != 0 || domain != AF_UNIX) return result;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.pid <= 0) return result;
  result.pid = peer.pid;
  result.uid = peer.uid;
  if (FILE* file = fopen(fmt::format("/proc/{}/comm", peer.pid).c_str(), "re")) {
    std::array<char, 64> name = {};
    if (fgets(name.data(), name.size(), file) != nullptr) result.program = name.data();
    fclose(file);
    while (result.program.ends_with('\n')) result.program.pop_back();
  }
  return result;
}

}  // namespace rhea::chardev
