#include "emu/chardev/socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "emu/chardev/fd-stream.h"
#include "emu/chardev/socket-address.h"
#include "emu/chardev/telnet.h"
#include "emu/io/offload.h"
#include "emu/io/sync.h"

namespace rhea::chardev {

namespace {

// How long accepting rests when the process is out of descriptors.
constexpr auto kAcceptRest = std::chrono::milliseconds(100);
// Connections taken in one turn of the loop, so that a storm of them does not keep it from the other clients.
constexpr int kAcceptsPerTurn = 16;
// Clients of one server; further ones wait in the backlog. Disks need descriptors too.
constexpr std::size_t kMostClients = 512;

void setUpConnection(int fd, bool noDelay) {
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  const int on = 1;
  if (noDelay) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

// What a front end talks to: the connection, or telnet on it.
std::shared_ptr<Stream> asAsked(std::shared_ptr<FdStream> stream, bool telnet) {
  if (telnet) return std::make_shared<TelnetStream>(std::move(stream));
  return stream;
}

// Streams of a socket, oldest first; closed ones are forgotten.
class Clients {
 public:
  std::shared_ptr<FdStream> add(Outlet& outlet, Fd fd, std::string address, std::function<void()> onClosed) {
    const Credentials peer = peerCredentials(fd.get());
    auto stream =
        std::make_shared<FdStream>(outlet, FdStream::Ends(std::move(fd)), std::move(address), std::move(onClosed));
    stream->setCredentials(peer);
    streams_.push_back(stream);
    return stream;
  }
  void forgetClosed() {
    std::erase_if(streams_, [](const std::shared_ptr<FdStream>& stream) { return !stream->isOpen(); });
  }
  std::size_t count() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(streams_, [](const std::shared_ptr<FdStream>& stream) { return stream->isOpen(); }));
  }
  void closeAll() {
    const auto open = std::exchange(streams_, {});
    for (const auto& stream : open) stream->close();
  }
  void drain(TimePoint until) {
    for (const auto& stream : streams_) stream->drain(until);
  }

 private:
  std::vector<std::shared_ptr<FdStream>> streams_;
};

class SocketServer final : public Backend {
 public:
  SocketServer(Outlet& outlet, Listening listening, const SocketOptions& options)
      : outlet_(outlet),
        listening_(std::move(listening)),
        waits_(options.wait),
        noDelay_(options.noDelay),
        telnet_(options.telnet) {
    name_ = localName(listening_.sockets.front().get());
    update();
  }
  ~SocketServer() override {
    watches_.clear();
    ending_ = true;
    clients_.closeAll();
    if (listening_.file) listening_.file->remove();
  }

  std::string filename() const override {
    if (clients_.count() == 0) return fmt::format("disconnected:{},server=on", name_);
    // Readers of this take a TCP connection apart at " <-> ".
    return fmt::format("{},server=on{}", name_, name_.starts_with("tcp:") ? " <-> " + lastPeer_ : "");
  }
  void attach(FrontEnd& frontEnd) override {
    frontEnd_ = &frontEnd;
    update();
  }
  void detach(FrontEnd& frontEnd) override {
    if (frontEnd_ != &frontEnd) return;
    frontEnd_ = nullptr;
    clients_.closeAll();
    update();
  }
  Task<Result<void>> waitForClient(CancelToken cancel) override {
    if (!waits_) co_return success();
    co_return co_await firstClient_.wait(cancel);
  }
  void drain(TimePoint until) override { clients_.drain(until); }

 private:
  bool wantsClient() const {
    return frontEnd_ != nullptr && clients_.count() < (frontEnd_->servesMany() ? kMostClients : 1) && !rest_;
  }
  // Listens while a client would be served, or while start-up waits for the first one.
  void update() {
    if (ending_) return;
    if (!wantsClient() && !(waits_ && !firstClient_.isSet())) {
      watches_.clear();
    } else if (watches_.empty()) {
      for (const Fd& fd : listening_.sockets) {
        const int number = fd.get();
        watches_.push_back(outlet_.loop().watch(number, Loop::Ready::kRead, [this, number] { acceptFrom(number); }));
      }
    }
  }
  void acceptFrom(int listener) {
    firstClient_.set();
    for (int turn = 0; turn < kAcceptsPerTurn && wantsClient(); ++turn) {
      Fd fd(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!fd.valid()) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) rest();
        break;
      }
      setUpConnection(fd.get(), noDelay_ || !name_.starts_with("unix:"));
      lastPeer_ = peerName(fd.get());
      if (lastPeer_.starts_with("tcp:")) lastPeer_.erase(0, 4);
      std::string address = name_.starts_with("unix:") ? name_ : fmt::format("{} <-> {}", name_, lastPeer_);
      auto stream = clients_.add(outlet_, std::move(fd), std::move(address), [this] { closed(); });
      frontEnd_->opened(asAsked(std::move(stream), telnet_));
    }
    update();
  }
  void closed() {
    if (ending_) return;
    clients_.forgetClosed();
    update();
  }
  void rest() {
    rest_ = outlet_.loop().timer(kAcceptRest, [this] {
      const auto timer = std::move(rest_);
      update();
    });
  }

  Outlet& outlet_;
  Listening listening_;
  bool waits_;
  bool noDelay_;
  bool telnet_;
  bool ending_ = false;
  std::string name_;
  std::string lastPeer_;
  FrontEnd* frontEnd_ = nullptr;
  Clients clients_;
  Event firstClient_;
  std::vector<std::unique_ptr<Loop::Watch>> watches_;
  std::unique_ptr<Loop::Watch> rest_;
};

using ClientAddress = std::variant<UnixAddress, TcpAddress>;

Task<Result<Fd>> connectOffLoop(ClientAddress address) {
  auto work = [&address] { return std::visit([](const auto& to) { return connectTo(to); }, address); };
  co_return co_await offload(work);
}

// One connection, made anew after `reconnect` when it ends.
class SocketClient final : public Backend {
 public:
  SocketClient(Outlet& outlet, std::optional<ClientAddress> address, std::string name, const SocketOptions& options)
      : outlet_(outlet),
        address_(std::move(address)),
        name_(std::move(name)),
        reconnect_(options.reconnect),
        noDelay_(options.noDelay),
        telnet_(options.telnet),
        alive_(std::make_shared<bool>(true)) {}
  ~SocketClient() override {
    *alive_ = false;
    timer_.reset();
    clients_.closeAll();
  }

  std::string filename() const override { return clients_.count() > 0 ? name_ : "disconnected:" + name_; }
  void attach(FrontEnd& frontEnd) override {
    frontEnd_ = &frontEnd;
    if (stream_ && stream_->isOpen()) frontEnd.opened(asAsked(stream_, telnet_));
  }
  void detach(FrontEnd& frontEnd) override {
    if (frontEnd_ != &frontEnd) return;
    frontEnd_ = nullptr;
    if (stream_) stream_->receive(nullptr);
  }
  void drain(TimePoint until) override { clients_.drain(until); }

  void connected(Fd fd) {
    setUpConnection(fd.get(), noDelay_);
    stream_ = clients_.add(outlet_, std::move(fd), name_, [this] { closed(); });
    if (frontEnd_ != nullptr) frontEnd_->opened(asAsked(stream_, telnet_));
  }
  void retryLater() {
    if (reconnect_.count() <= 0 || !address_) return;
    timer_ = outlet_.loop().timer(reconnect_, [this] {
      const auto timer = std::move(timer_);
      outlet_.loop().spawn(retry(alive_));
    });
  }

 private:
  void closed() {
    if (!*alive_) return;
    clients_.forgetClosed();
    stream_.reset();
    retryLater();
  }
  Task<void> retry(std::shared_ptr<bool> alive) {
    Result<Fd> fd = co_await connectOffLoop(*address_);
    if (!*alive) co_return;
    if (fd.ok()) {
      connected(*std::move(fd));
    } else {
      retryLater();
    }
  }

  Outlet& outlet_;
  std::optional<ClientAddress> address_;  // none: a descriptor that was handed over
  std::string name_;
  std::chrono::milliseconds reconnect_;
  bool noDelay_;
  bool telnet_;
  std::shared_ptr<bool> alive_;  // read by a connect that outlives us
  FrontEnd* frontEnd_ = nullptr;
  Clients clients_;
  std::shared_ptr<FdStream> stream_;
  std::unique_ptr<Loop::Watch> timer_;
};

Result<std::unique_ptr<Backend>> adopt(Outlet& outlet, SocketOptions options, Fd fd) {
  int type = 0;
  socklen_t size = sizeof(type);
  if (getsockopt(fd.get(), SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM) {
    return Error(fmt::format("descriptor {} is not a stream socket", fd.get())).where("fd");
  }
  const bool listening = isListening(fd.get());
  if (listening != options.server) {
    return Error(listening ? fmt::format("descriptor {} is a listening socket", fd.get())
                           : fmt::format("descriptor {} does not listen", fd.get()))
        .where("fd")
        .hint(listening ? "add server=on" : "leave server=on out, or hand over a socket after listen()");
  }
  fcntl(fd.get(), F_SETFD, FD_CLOEXEC);
  fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
  if (listening) {
    Listening given;
    given.sockets.push_back(std::move(fd));
    return std::unique_ptr<Backend>(std::make_unique<SocketServer>(outlet, std::move(given), options));
  }
  if (options.reconnect.count() > 0) {
    return Error("a connection that was handed over cannot be made again").where("reconnect");
  }
  auto client = std::make_unique<SocketClient>(outlet, std::nullopt, localName(fd.get()), options);
  client->connected(std::move(fd));
  return std::unique_ptr<Backend>(std::move(client));
}

}  // namespace

Task<Result<std::unique_ptr<Backend>>> openSocket(Outlet& outlet, SocketOptions options) {
  if (auto* given = std::get_if<FdAddress>(&options.address)) {
    Fd fd = std::move(given->fd);
    co_return adopt(outlet, std::move(options), std::move(fd));
  }
  ClientAddress address = UnixAddress();
  if (auto* path = std::get_if<UnixAddress>(&options.address)) address = *path;
  if (auto* port = std::get_if<TcpAddress>(&options.address)) address = *port;
  if (options.server) {
    auto work = [&address] { return std::visit([](const auto& at) { return listenOn(at); }, address); };
    RHEA_CO_TRY(Listening listening, co_await offload(work));
    co_return std::unique_ptr<Backend>(std::make_unique<SocketServer>(outlet, std::move(listening), options));
  }
  std::string name = std::visit([](const auto& to) { return describe(to); }, address);
  auto client = std::make_unique<SocketClient>(outlet, address, std::move(name), options);
  Result<Fd> fd = co_await connectOffLoop(address);
  if (fd.ok()) {
    client->connected(*std::move(fd));
  } else if (options.reconnect.count() > 0) {
    client->retryLater();
  } else {
    co_return fd.takeError();
  }
  co_return std::unique_ptr<Backend>(std::move(client));
}

}  // namespace rhea::chardev
