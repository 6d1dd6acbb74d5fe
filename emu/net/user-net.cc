#include "emu/net/user-net.h"

#include "config.h"
#include "emu/net/user-options.h"

#if RHEA_HAVE_SLIRP

#include <arpa/inet.h>
#include <poll.h>
#include <slirp/libslirp.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <thread>

#include "emu/io/fd.h"
#include "emu/io/loop.h"
#include "emu/io/sync.h"

namespace rhea::net {

namespace {

constexpr std::size_t kMostQueued = 1024;  // frames from the guest

in_addr wire(std::uint32_t address) {
  in_addr converted{};
  converted.s_addr = htonl(address);
  return converted;
}

// All of libslirp runs on one thread of its own, which polls for it.
class UserNet final : public Netdev {
 public:
  UserNet(std::string id, UserAddresses addresses, bool isRestricted)
      : Netdev(std::move(id)), addresses_(addresses), restricted_(isRestricted) {}
  ~UserNet() override {
    if (thread_.joinable()) {
      ending_.store(true);
      wake();
      thread_.join();
    }
    if (slirp_ != nullptr) slirp_cleanup(slirp_);
  }

  Result<void> start(const qapi::NetdevUserOptions& options, std::span<const Forward> forwards) {
    wakeup_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wakeup_) return Error::fromErrno(errno, "cannot make an eventfd");
    SlirpConfig config{};
    config.version = 3;
    config.restricted = restricted_ ? 1 : 0;
    config.in_enabled = true;
    config.vnetwork = wire(addresses_.network);
    config.vnetmask = wire(addresses_.mask);
    config.vhost = wire(addresses_.host);
    config.vdhcp_start = wire(addresses_.dhcpStart);
    config.vnameserver = wire(addresses_.dns);
    config.vhostname = options.hostname ? options.hostname->c_str() : nullptr;
    config.vdomainname = options.domainname ? options.domainname->c_str() : nullptr;
    slirp_ = slirp_new(&config, &kCallbacks, this);
    if (slirp_ == nullptr) return Error("libslirp does not start");
    for (const Forward& forward : forwards) RHEA_CHECK(begin(forward));
    thread_ = std::thread([this] { run(); });
    return success();
  }

  std::string_view type() const override { return "user"; }
  std::string describe() const override {
    return fmt::format("net={},mask={},restrict={}", addressText(addresses_.network), addressText(addresses_.mask),
                       restricted_ ? "on" : "off");
  }
  void send(std::vector<std::byte> frame) override {
    {
      const std::lock_guard lock(queueGuard_);
      if (queue_.size() >= kMostQueued) return;
      queue_.push_back(std::move(frame));
      if (queue_.size() > 1) return;
    }
    wake();
  }
  void connect(Card* card) override {
    const std::lock_guard lock(cardGuard_);
    card_ = card;
  }
  Task<Result<void>> addForward(std::string ports) override {
    RHEA_CO_TRY(const Forward forward, parseForward(ports));
    const std::function<Result<void>()> work = [this, forward] { return begin(forward); };
    co_return co_await onThread(work);
  }
  Task<Result<void>> removeForward(std::string port) override {
    RHEA_CO_TRY(const Forward forward, parseForwarded(port));
    const std::function<Result<void>()> work = [this, forward, port]() -> Result<void> {
      if (slirp_remove_hostfwd(slirp_, forward.udp ? 1 : 0, wire(forward.hostAddress), forward.hostPort) == 0)
        return success();
      return Error(fmt::format("'{}' is not forwarded", port)).hint("address and protocol are those of hostfwd_add");
    };
    co_return co_await onThread(work);
  }

 private:
  // Something that the thread is asked to do, and who waits for it.
  struct Call {
    std::function<Result<void>()> work;
    Loop* home = nullptr;
    std::optional<Result<void>> outcome;
    Event done;
  };
  Task<Result<void>> onThread(std::function<Result<void>()> work) {
    auto call = std::make_shared<Call>();
    call->work = std::move(work);
    call->home = Loop::current();
    {
      const std::lock_guard lock(queueGuard_);
      calls_.push_back(call);
    }
    wake();
    (void)co_await call->done.wait();
    co_return *std::move(call->outcome);
  }
  void answerCalls() {
    std::deque<std::shared_ptr<Call>> calls;
    {
      const std::lock_guard lock(queueGuard_);
      calls.swap(calls_);
    }
    for (const std::shared_ptr<Call>& call : calls) {
      call->outcome.emplace(call->work());
      call->home->post([call] { call->done.set(); });
    }
  }
  Result<void> begin(Forward forward) {
    if (forward.guestAddress == 0) forward.guestAddress = addresses_.dhcpStart;
    const int added = slirp_add_hostfwd(slirp_, forward.udp ? 1 : 0, wire(forward.hostAddress), forward.hostPort,
                                        wire(forward.guestAddress), forward.guestPort);
    if (added == 0) return success();
    return Error::fromErrno(errno, fmt::format("port {} of the host cannot be forwarded", forward.hostPort))
        .where("hostfwd");
  }

  struct Timer {
    SlirpTimerCb callback;
    void* opaque;
    std::int64_t at = -1;  // milliseconds; -1: off
  };
  static UserNet& self(void* opaque) { return *static_cast<UserNet*>(opaque); }
  static std::int64_t nanoseconds() {
    return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
  }

  static ssize_t sendPacket(const void* frame, std::size_t length, void* opaque) {
    UserNet& net = self(opaque);
    const std::lock_guard lock(net.cardGuard_);
    if (net.card_ != nullptr) net.card_->receive({static_cast<const std::byte*>(frame), length});
    return static_cast<ssize_t>(length);
  }
  static void guestError(const char*, void*) {}
  static std::int64_t clock(void*) { return nanoseconds(); }
  static void* newTimer(SlirpTimerCb callback, void* timerOpaque, void* opaque) {
    auto& timers = self(opaque).timers_;
    timers.push_back(std::make_unique<Timer>(Timer{callback, timerOpaque, -1}));
    return timers.back().get();
  }
  static void freeTimer(void* timer, void* opaque) {
    std::erase_if(self(opaque).timers_, [timer](const auto& each) { return each.get() == timer; });
  }
  static void setTimer(void* timer, std::int64_t at, void*) { static_cast<Timer*>(timer)->at = at; }
  static void watchFd(int, void*) {}
  static void notify(void* opaque) { self(opaque).wake(); }
  static constexpr SlirpCb kCallbacks = {.send_packet = sendPacket,
                                         .guest_error = guestError,
                                         .clock_get_ns = clock,
                                         .timer_new = newTimer,
                                         .timer_free = freeTimer,
                                         .timer_mod = setTimer,
                                         .register_poll_fd = watchFd,
                                         .unregister_poll_fd = watchFd,
                                         .notify = notify,
                                         .init_completed = nullptr,
                                         .timer_new_opaque = nullptr};

  void wake() const {
    const std::uint64_t one = 1;
    (void)!::write(wakeup_.get(), &one, sizeof one);
  }

  static int addPoll(int fd, int events, void* opaque) {
    auto& polled = self(opaque).polled_;
    short wanted = 0;
    if ((events & SLIRP_POLL_IN) != 0) wanted |= POLLIN;
    if ((events & SLIRP_POLL_OUT) != 0) wanted |= POLLOUT;
    if ((events & SLIRP_POLL_PRI) != 0) wanted |= POLLPRI;
    polled.push_back({fd, wanted, 0});
    return static_cast<int>(polled.size() - 1);
  }
  static int polledEvents(int index, void* opaque) {
    const short came = self(opaque).polled_[static_cast<std::size_t>(index)].revents;
    int events = 0;
    if ((came & POLLIN) != 0) events |= SLIRP_POLL_IN;
    if ((came & POLLOUT) != 0) events |= SLIRP_POLL_OUT;
    if ((came & POLLPRI) != 0) events |= SLIRP_POLL_PRI;
    if ((came & POLLERR) != 0) events |= SLIRP_POLL_ERR;
    if ((came & POLLHUP) != 0) events |= SLIRP_POLL_HUP;
    return events;
  }

  void run() {
    ::pthread_setname_np(::pthread_self(), "net-user");
    while (!ending_.load()) {
      polled_.assign(1, {wakeup_.get(), POLLIN, 0});
      std::uint32_t timeout = 10'000;
      slirp_pollfds_fill(slirp_, &timeout, &addPoll, this);
      const std::int64_t now = nanoseconds() / 1'000'000;
      for (const auto& timer : timers_) {
        if (timer->at >= 0) timeout = static_cast<std::uint32_t>(std::clamp<std::int64_t>(timer->at - now, 0, timeout));
      }
      const int ready = ::poll(polled_.data(), polled_.size(), static_cast<int>(timeout));
      std::uint64_t count = 0;
      (void)!::read(wakeup_.get(), &count, sizeof count);
      slirp_pollfds_poll(slirp_, ready < 0 ? 1 : 0, &polledEvents, this);
      fireTimers();
      takeFrames();
      answerCalls();
    }
    answerCalls();
  }
  void fireTimers() {
    const std::int64_t now = nanoseconds() / 1'000'000;
    for (std::size_t i = 0; i < timers_.size(); ++i) {
      Timer& timer = *timers_[i];
      if (timer.at < 0 || timer.at > now) continue;
      timer.at = -1;
      timer.callback(timer.opaque);
    }
  }
  void takeFrames() {
    std::deque<std::vector<std::byte>> frames;
    {
      const std::lock_guard lock(queueGuard_);
      frames.swap(queue_);
    }
    for (const std::vector<std::byte>& frame : frames) {
      slirp_input(slirp_, reinterpret_cast<const std::uint8_t*>(frame.data()), static_cast<int>(frame.size()));
    }
  }

  const UserAddresses addresses_;
  const bool restricted_;
  Slirp* slirp_ = nullptr;  // the thread's, once it runs
  Fd wakeup_;
  std::vector<pollfd> polled_;
  std::vector<std::unique_ptr<Timer>> timers_;
  std::mutex queueGuard_;
  std::deque<std::vector<std::byte>> queue_;
  std::deque<std::shared_ptr<Call>> calls_;
  std::mutex cardGuard_;
  Card* card_ = nullptr;
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

Result<std::uint32_t> placeOf(const std::optional<std::string>& text, std::string_view key, std::uint32_t offset,
                              const UserAddresses& addresses) {
  if (!text) return addresses.network + std::min(offset, ~addresses.mask - 1);
  RHEA_TRY(const std::uint32_t address, parseAddress(*text, key));
  if ((address & addresses.mask) != addresses.network) {
    return Error(fmt::format("{} is not in the network {}", *text, addressText(addresses.network)))
        .where(std::string(key));
  }
  return address;
}

}  // namespace

Result<std::unique_ptr<Netdev>> makeUserNet(std::string id, const qapi::NetdevUserOptions& options) {
  UserAddresses addresses;
  if (options.net) RHEA_CHECK(parseNetwork(*options.net, addresses));
  RHEA_TRY(addresses.host, placeOf(options.host, "host", 2, addresses));
  RHEA_TRY(addresses.dns, placeOf(options.dns, "dns", 3, addresses));
  RHEA_TRY(addresses.dhcpStart, placeOf(options.dhcpstart, "dhcpstart", 15, addresses));
  std::vector<Forward> forwards;
  for (const qapi::String& each : options.hostfwd.value_or(std::vector<qapi::String>())) {
    RHEA_TRY(const Forward forward, parseForward(each.str));
    forwards.push_back(forward);
  }
  auto net = std::make_unique<UserNet>(std::move(id), addresses, options.restrict.value_or(false));
  RHEA_CHECK(net->start(options, forwards));
  return std::unique_ptr<Netdev>(std::move(net));
}

}  // namespace rhea::net

#else

namespace rhea::net {

Result<std::unique_ptr<Netdev>> makeUserNet(std::string, const qapi::NetdevUserOptions&) {
  return Error("this build has no user-mode network: libslirp was not found when it was configured")
      .where("type")
      .hint("install libslirp-dev, then ./configure and make");
}

}  // namespace rhea::net

#endif
