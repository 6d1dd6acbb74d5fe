#include "emu/chardev/udp.h"

#include <netdb.h>
#include <sys/socket.h>

#include "emu/chardev/single-stream.h"
#include "emu/chardev/socket-address.h"
#include "emu/io/offload.h"

namespace rhea::chardev {

namespace {

// What one datagram may carry over any network that IPv6 promises; longer output goes out in pieces of this.
constexpr std::size_t kMostInOne = 1232;

class UdpStream final : public Stream {
 public:
  UdpStream(Outlet& outlet, Fd fd, std::string address)
      : Stream(std::move(address)), outlet_(outlet), fd_(std::move(fd)) {}

  void receive(Receiver* receiver) override {
    receiver_ = receiver;
    update();
  }
  void write(std::string_view bytes) override {
    while (open_ && !bytes.empty()) {
      const std::string_view piece = bytes.substr(0, kMostInOne);
      // Refused or no room: lost, as datagrams are.
      static_cast<void>(!send(fd_.get(), piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
      bytes.remove_prefix(piece.size());
    }
  }
  std::size_t pending() const override { return 0; }
  void pause(bool paused) override {
    paused_ = paused;
    update();
  }
  void close() override {
    if (!std::exchange(open_, false)) return;
    const std::shared_ptr<Stream> self = shared_from_this();
    watch_.reset();
    fd_.reset();
    if (Receiver* receiver = std::exchange(receiver_, nullptr)) receiver->closed();
  }
  bool isOpen() const override { return open_; }

 private:
  void update() {
    if (!open_ || receiver_ == nullptr || paused_) {
      watch_.reset();
    } else if (!watch_) {
      watch_ = outlet_.loop().watch(fd_.get(), Loop::Ready::kRead, [this] { readable(); });
    }
  }
  // An empty datagram is none, and a peer that refuses may listen later.
  void readable() {
    const std::shared_ptr<Stream> self = shared_from_this();
    const std::span<char> buffer = outlet_.readBuffer();
    const ssize_t count = recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count > 0 && receiver_ != nullptr) {
      receiver_->received(std::string_view(buffer.data(), static_cast<std::size_t>(count)), {});
    }
  }

  Outlet& outlet_;
  Fd fd_;
  std::unique_ptr<Loop::Watch> watch_;
  Receiver* receiver_ = nullptr;
  bool paused_ = false;
  bool open_ = true;
};

class UdpBackend final : public SingleStream {
 public:
  UdpBackend(Outlet& outlet, Fd fd, const std::string& name) {
    open(std::make_shared<UdpStream>(outlet, std::move(fd), name));
  }
  std::string filename() const override { return "udp"; }
};

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Result<Addresses> resolve(const TcpAddress& address, bool local, int family) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_family = family;
  hints.ai_flags = local ? AI_PASSIVE : 0;
  addrinfo* list = nullptr;
  const char* host = address.host.empty() ? nullptr : address.host.c_str();
  const int code = getaddrinfo(host, address.port.empty() ? "0" : address.port.c_str(), &hints, &list);
  if (code == 0) return Addresses(list);
  return Error(fmt::format("no address for '{}' port '{}': {}", address.host, address.port, gai_strerror(code)));
}

int familyOf(const TcpAddress& address) {
  if (address.ipv4.value_or(false) || address.ipv6 == false) return AF_INET;
  if (address.ipv6.value_or(false) || address.ipv4 == false) return AF_INET6;
  return AF_UNSPEC;
}

Result<Fd> connectUdp(const UdpOptions& options) {
  RHEA_TRY(const Addresses remotes, resolve(options.remote, false, familyOf(options.remote)));
  Error last("no address");
  for (const addrinfo* to = remotes.get(); to != nullptr; to = to->ai_next) {
    Fd fd(socket(to->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.valid()) {
      last = Error::fromErrno(errno, "no UDP socket can be made");
      continue;
    }
    if (options.local) {
      Result<Addresses> locals = resolve(*options.local, true, to->ai_family);
      if (!locals.ok()) return locals.takeError();
      if (bind(fd.get(), (*locals)->ai_addr, (*locals)->ai_addrlen) != 0) {
        last = Error::fromErrno(errno,
                                fmt::format("cannot use '{}' port '{}' here", options.local->host, options.local->port))
                   .where("localport");
        continue;
      }
    }
    if (connect(fd.get(), to->ai_addr, to->ai_addrlen) == 0) return fd;
    last =
        Error::fromErrno(errno, fmt::format("cannot send to '{}' port '{}'", options.remote.host, options.remote.port));
  }
  return last;
}

}  // namespace

Task<Result<std::unique_ptr<Backend>>> openUdp(Outlet& outlet, UdpOptions options) {
  const std::string name = fmt::format("udp:{}:{}", options.remote.host, options.remote.port);
  auto open = [&options] { return connectUdp(options); };
  RHEA_CO_TRY(Fd fd, co_await offload(open));
  co_return std::unique_ptr<Backend>(std::make_unique<UdpBackend>(outlet, std::move(fd), name));
}

}  // namespace rhea::chardev
