#include "block/driver/sheepdog/address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>

#include "emu/io/offload.h"

namespace rhea::block::sheepdog {

namespace {

struct Target {
  int family = AF_UNIX;
  sockaddr_storage address{};
  socklen_t length = 0;
};

Result<Target> unixTarget(const Address& address) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const std::size_t first = address.abstract ? 1 : 0;
  if (address.path.empty() || address.path.size() + first >= sizeof name.sun_path) {
    return Error(fmt::format("'{}' cannot be the path of a socket", address.path)).expected("1 to 107 bytes");
  }
  std::memcpy(name.sun_path + first, address.path.data(), address.path.size());
  Target target;
  std::memcpy(&target.address, &name, sizeof name);
  target.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + first + address.path.size() +
                                         (address.abstract ? 0 : 1));
  return target;
}

// Blocking.
Result<std::vector<Target>> lookUp(const Address& address) {
  std::vector<Target> targets;
  if (address.isUnix()) {
    RHEA_TRY(Target only, unixTarget(address));
    targets.push_back(only);
    return targets;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &found);
  if (code != 0) return Error(fmt::format("'{}' is not found: {}", address.text(), gai_strerror(code)));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(found, &freeaddrinfo);
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    Target target;
    target.family = each->ai_family;
    if (each->ai_addrlen > sizeof target.address) continue;
    std::memcpy(&target.address, each->ai_addr, each->ai_addrlen);
    target.length = each->ai_addrlen;
    targets.push_back(target);
  }
  return targets;
}

// The protocol has no sign of life of its own: the kernel has to find out about a peer that is gone.
void keepWatch(int fd) {
  const auto set = [fd](int level, int option, int value) {
    (void)setsockopt(fd, level, option, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 5);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 20000);
}

Task<Result<Fd>> dialTarget(Target target, CancelToken cancel) {
  Fd fd(socket(target.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) co_return Error::fromErrno(errno);
  if (target.family != AF_UNIX) keepWatch(fd.get());
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&target.address), target.length) == 0) co_return fd;
  // A local socket whose queue is full says EAGAIN and never tells when there is room.
  if (errno != EINPROGRESS) co_return Error::fromErrno(errno);
  RHEA_CO_CHECK(co_await Loop::current()->ready(fd.get(), Loop::Ready::kWrite, cancel));
  int code = 0;
  socklen_t length = sizeof code;
  if (getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &code, &length) != 0) code = errno;
  if (code != 0) co_return Error::fromErrno(code);
  co_return fd;
}

}  // namespace

std::string Address::text() const {
  if (isUnix()) return fmt::format("unix:{}{}", abstract ? "@" : "", path);
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

Task<Result<Fd>> dial(Address address, CancelToken cancel) {
  const auto find = [address] { return lookUp(address); };
  RHEA_CO_TRY(const std::vector<Target> targets, co_await offload(find));
  std::optional<Error> reason;
  for (const Target& target : targets) {
    Result<Fd> fd = co_await dialTarget(target, cancel);
    if (fd.ok()) co_return fd;
    reason = fd.takeError();
    if (cancel.requested()) break;
  }
  if (!reason) reason = Error("the name stands for no address");
  co_return Error::fromErrno(reason->code() != 0 ? reason->code() : ETIMEDOUT, "cannot reach the gateway");
}

}  // namespace rhea::block::sheepdog
