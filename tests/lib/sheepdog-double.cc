#include "tests/lib/sheepdog-double.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>

#include "emu/base/bytes.h"

namespace rhea::test {

using namespace block::sheepdog;

namespace {

constexpr std::size_t kLoggedPayload = 512;
constexpr std::size_t kAnsweredTogether = 8;

void require(bool holds, const char* what) {
  if (holds) return;
  std::perror(what);
  std::abort();
}

void bindTo(int fd, std::uint16_t port) {
  const int on = 1;
  require(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0, "SO_REUSEADDR");
  require(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0, "SO_REUSEPORT");
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  name.sin_port = htons(port);
  require(bind(fd, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0, "bind");
}

}  // namespace

SheepdogDouble::SheepdogDouble(std::shared_ptr<SheepCluster> cluster, Options options)
    : cluster_(std::move(cluster)), options_(std::move(options)), random_(options_.seed) {
  cache_.present = options_.cache;
  port_ = options_.port;
  wakeup_ = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  require(wakeup_.valid(), "eventfd");
  listen();
  thread_ = std::thread([this] { run(); });
}

SheepdogDouble::~SheepdogDouble() {
  {
    const std::lock_guard lock(guard_);
    ending_ = true;
  }
  wake();
  thread_.join();
  if (!options_.unixPath.empty()) unlink(options_.unixPath.c_str());
}

std::string SheepdogDouble::uri(const std::string& name) const {
  if (!options_.unixPath.empty()) return fmt::format("sheepdog+unix:///{}?socket={}", name, options_.unixPath);
  return fmt::format("sheepdog://127.0.0.1:{}/{}", port_, name);
}

void SheepdogDouble::wake() {
  const std::uint64_t one = 1;
  (void)!::write(wakeup_.get(), &one, sizeof one);
}

void SheepdogDouble::listen() {
  const bool local = !options_.unixPath.empty();
  Fd fd(socket(local ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  require(fd.valid(), "socket");
  if (local) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    options_.unixPath.copy(name.sun_path, sizeof name.sun_path - 1);
    unlink(options_.unixPath.c_str());
    require(bind(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) == 0, "bind");
  } else {
    // A second socket that never listens keeps the port while nobody does.
    if (!keeper_.valid()) {
      keeper_ = Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      bindTo(keeper_.get(), port_);
      sockaddr_in name{};
      socklen_t length = sizeof name;
      require(getsockname(keeper_.get(), reinterpret_cast<sockaddr*>(&name), &length) == 0, "getsockname");
      port_ = ntohs(name.sin_port);
    }
    bindTo(fd.get(), port_);
  }
  require(::listen(fd.get(), 16) == 0, "listen");
  listener_ = std::move(fd);
}

// --- what a test does to it

void SheepdogDouble::endConnections() {
  for (const auto& connection : connections_) connection->closing = true;
  pending_.clear();
}

void SheepdogDouble::stop() {
  const std::lock_guard lock(guard_);
  listener_.reset();
  endConnections();
  connections_.clear();
  changed_.notify_all();
  wake();
}

void SheepdogDouble::start() {
  const std::lock_guard lock(guard_);
  listen();
  wake();
}

void SheepdogDouble::powerCut() {
  const std::lock_guard lock(guard_);
  cache_.objects.clear();
}

void SheepdogDouble::closeConnections() {
  const std::lock_guard lock(guard_);
  endConnections();
  connections_.clear();
  wake();
}

void SheepdogDouble::freeze() {
  const std::lock_guard lock(guard_);
  frozen_ = true;
}

void SheepdogDouble::thaw() {
  const std::lock_guard lock(guard_);
  frozen_ = false;
  wake();
}

void SheepdogDouble::add(SheepRule rule) {
  const std::lock_guard lock(guard_);
  rules_.push_back(std::move(rule));
}

void SheepdogDouble::clearRules() {
  const std::lock_guard lock(guard_);
  rules_.clear();
}

std::size_t SheepdogDouble::held() {
  const std::lock_guard lock(guard_);
  return static_cast<std::size_t>(
      std::count_if(pending_.begin(), pending_.end(), [](const Pending& p) { return p.held && !p.released; }));
}

void SheepdogDouble::awaitHeld(std::size_t count) {
  std::unique_lock lock(guard_);
  changed_.wait(lock, [&] {
    const auto waiting =
        std::count_if(pending_.begin(), pending_.end(), [](const Pending& p) { return p.held && !p.released; });
    return static_cast<std::size_t>(waiting) >= count;
  });
}

void SheepdogDouble::release(bool backwards) {
  const std::lock_guard lock(guard_);
  for (Pending& pending : pending_) pending.released = true;
  if (backwards) pending_.reverse();
  wake();
}

std::vector<SheepSeen> SheepdogDouble::log() {
  const std::lock_guard lock(guard_);
  return log_;
}

void SheepdogDouble::clearLog() {
  const std::lock_guard lock(guard_);
  log_.clear();
}

std::size_t SheepdogDouble::seen(Op op) {
  const std::lock_guard lock(guard_);
  return static_cast<std::size_t>(std::count_if(
      log_.begin(), log_.end(), [op](const SheepSeen& s) { return s.request.op == static_cast<std::uint8_t>(op); }));
}

std::vector<std::string> SheepdogDouble::violations() {
  const std::lock_guard lock(guard_);
  const std::lock_guard cluster(cluster_->guard);
  std::vector<std::string> all = violations_;
  all.insert(all.end(), cluster_->violations.begin(), cluster_->violations.end());
  return all;
}

// --- its thread

void SheepdogDouble::run() {
  while (true) {
    using SteadyClock = std::chrono::steady_clock;
    std::chrono::nanoseconds wait{-1};
    {
      const std::lock_guard lock(guard_);
      if (ending_) return;
      const SteadyClock::time_point now = SteadyClock::now();
      for (const Pending& pending : pending_) {
        if (pending.held && !pending.released) continue;
        const std::chrono::nanoseconds rest = std::max<std::chrono::nanoseconds>(pending.due - now, {});
        wait = wait.count() < 0 ? rest : std::min(wait, rest);
      }
    }
    // With requests at hand only what is there already is taken in besides.
    const bool came = turn(wait);
    const std::lock_guard lock(guard_);
    const SteadyClock::time_point when = SteadyClock::now();
    changed_.notify_all();
    if (came && options_.reorder) continue;
    std::list<Pending> now;
    for (auto at = pending_.begin(); at != pending_.end();) {
      const auto next = std::next(at);
      if ((!at->held || at->released) && at->due <= when) now.splice(now.end(), pending_, at);
      at = next;
    }
    // Also where this thread comes too late for both: what is late stays behind what is not.
    now.sort([](const Pending& a, const Pending& b) { return a.due < b.due; });
    std::vector<Pending*> order;
    for (Pending& pending : now) order.push_back(&pending);
    if (options_.reorder) std::shuffle(order.begin(), order.end(), random_);
    // Replies go out a few at a time, as those of a daemon with threads do: the client has something to do meanwhile.
    for (std::size_t i = 0; i < order.size(); ++i) {
      perform(*order[i]);
      if (i % kAnsweredTogether == kAnsweredTogether - 1) sendOut(*order[i]->from);
    }
    for (auto at = connections_.begin(); at != connections_.end();) {
      sendOut(**at);
      at = (*at)->closing && (*at)->out.empty() ? connections_.erase(at) : std::next(at);
    }
  }
}

// Waits for something to come and takes it in. True: something came from a client.
bool SheepdogDouble::turn(std::chrono::nanoseconds timeout) {
  std::vector<pollfd> fds;
  std::vector<std::shared_ptr<Connection>> polled;
  {
    const std::lock_guard lock(guard_);
    fds.push_back({wakeup_.get(), POLLIN, 0});
    fds.push_back({listener_.get(), POLLIN, 0});
    for (const auto& connection : connections_) {
      short wanted = frozen_ || connection->closing ? short{0} : short{POLLIN};
      if (!connection->out.empty()) wanted = static_cast<short>(wanted | POLLOUT);
      fds.push_back({connection->fd.get(), wanted, 0});
      polled.push_back(connection);
    }
  }
  const timespec limit{timeout.count() / 1000000000, timeout.count() % 1000000000};
  if (ppoll(fds.data(), fds.size(), timeout.count() < 0 ? nullptr : &limit, nullptr) <= 0) return false;
  const std::lock_guard lock(guard_);
  std::uint64_t woken = 0;
  (void)!::read(wakeup_.get(), &woken, sizeof woken);
  if (listener_.valid() && (fds[1].revents & POLLIN) != 0) {
    Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd.valid()) {
      const int on = 1;
      setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      auto connection = std::make_shared<Connection>();
      connection->fd = std::move(fd);
      connection->number = ++made_;
      connections_.push_back(std::move(connection));
    }
  }
  bool came = false;
  for (std::size_t i = 0; i < polled.size(); ++i) {
    const auto& connection = polled[i];
    const bool mine = std::find(connections_.begin(), connections_.end(), connection) != connections_.end();
    if (!mine || (fds[i + 2].revents & (POLLIN | POLLHUP | POLLERR)) == 0 || frozen_) continue;
    came = takeIn(connection) || came;
  }
  return came;
}

// True: bytes came.
bool SheepdogDouble::takeIn(const std::shared_ptr<Connection>& connection) {
  std::array<std::byte, 65536> buffer;
  bool came = false;
  while (true) {
    const ssize_t got = ::read(connection->fd.get(), buffer.data(), buffer.size());
    if (got > 0) {
      came = true;
      connection->in.insert(connection->in.end(), buffer.begin(), buffer.begin() + got);
      if (static_cast<std::size_t>(got) == buffer.size()) continue;
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
      connection->closing = true;
      connection->out.clear();
      pending_.remove_if([&](const Pending& p) { return p.from == connection; });
    }
    break;
  }
  parse(connection);
  return came;
}

void SheepdogDouble::parse(const std::shared_ptr<Connection>& connection) {
  std::vector<std::byte>& in = connection->in;
  std::size_t at = 0;
  while (!connection->closing && in.size() - at >= kHeaderBytes) {
    const std::byte* const from = in.data() + at;
    SheepRequest request;
    request.version = std::to_integer<std::uint8_t>(from[0]);
    request.op = std::to_integer<std::uint8_t>(from[1]);
    request.flags = loadLittle<std::uint16_t>(from + 2);
    request.id = loadLittle<std::uint32_t>(from + 8);
    request.dataLength = loadLittle<std::uint32_t>(from + 12);
    std::copy(from + 16, from + kHeaderBytes, request.specific.begin());
    const std::size_t payload = (request.flags & kFlagWrite) != 0 ? request.dataLength : 0;
    if (in.size() - at < kHeaderBytes + payload) break;
    request.payload.assign(from + kHeaderBytes, from + kHeaderBytes + payload);
    at += kHeaderBytes + payload;
    Pending pending;
    pending.from = connection;
    pending.request = std::move(request);
    noteOverlap(pending);
    if (options_.latency.count() > 0) pending.due = std::chrono::steady_clock::now() + options_.latency;
    pending.rule = ruleFor(pending.request);
    pending.held = pending.rule && pending.rule->action == SheepRule::Action::kHold;
    if (pending.rule && pending.rule->action == SheepRule::Action::kLate) {
      pending.due = std::chrono::steady_clock::now() + std::chrono::microseconds(pending.rule->argument);
    }
    pending_.push_back(std::move(pending));
  }
  in.erase(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(at));
}

// The daemons do not order what is on its way together.
void SheepdogDouble::noteOverlap(const Pending& pending) {
  if (!pending.request.isWrite()) return;
  const auto rangeOf = [](const SheepRequest& r) {
    return r.op == 1 ? std::pair<std::uint64_t, std::uint64_t>(0, UINT64_MAX)
                     : std::pair<std::uint64_t, std::uint64_t>(r.offset(), r.offset() + r.payload.size());
  };
  const auto [begin, end] = rangeOf(pending.request);
  for (const Pending& other : pending_) {
    if (other.from != pending.from || !other.request.isWrite() || other.request.oid() != pending.request.oid())
      continue;
    const auto [otherBegin, otherEnd] = rangeOf(other.request);
    if (begin < otherEnd && otherBegin < end) {
      violations_.push_back(fmt::format("two writes that overlap are on their way to {:016x}", other.request.oid()));
    }
  }
}

std::optional<SheepRule> SheepdogDouble::ruleFor(const SheepRequest& request) {
  for (SheepRule& rule : rules_) {
    if (static_cast<std::uint8_t>(rule.op) != request.op || rule.count == 0) continue;
    if (rule.oid != 0 && rule.oid != request.oid()) continue;
    if (rule.oidBits != 0 && (request.oid() & rule.oidBits) == 0) continue;
    if (rule.dataOnly && request.oid() >> 56U != 0) continue;
    if (rule.skip > 0) {
      --rule.skip;
      continue;
    }
    if (rule.count > 0) --rule.count;
    return rule;
  }
  return std::nullopt;
}

void SheepdogDouble::perform(Pending& pending) {
  using Action = SheepRule::Action;
  // Held or not, it is now done.
  const Action action = pending.rule ? pending.rule->action : Action::kHold;
  SheepAnswer answer;
  bool panic = false;
  if (pending.from->closing) return;
  if (action == Action::kCloseBefore) {
    pending.from->closing = true;
    pending.from->out.clear();
  } else if (action == Action::kResult) {
    answer.result = pending.rule->argument;
  } else {
    answer = cluster_->handle(pending.request, cache_, panic);
  }
  if (options_.keepLog) {
    SheepSeen seen;
    seen.connection = pending.from->number;
    seen.payloadBytes = pending.request.payload.size();
    seen.result = answer.result;
    seen.request = pending.request;
    if (seen.payloadBytes > kLoggedPayload) seen.request.payload.clear();
    log_.push_back(std::move(seen));
  }
  if (panic || action == Action::kCloseAfter) {
    pending.from->closing = true;
    pending.from->out.clear();
  }
  if (!pending.from->closing) reply(pending, std::move(answer));
}

void SheepdogDouble::reply(Pending& pending, SheepAnswer answer) {
  using Action = SheepRule::Action;
  const Action action = pending.rule ? pending.rule->action : Action::kHold;
  const std::uint32_t argument = pending.rule ? pending.rule->argument : 0;
  std::vector<std::byte>& out = pending.from->out;
  if (action == Action::kShort)
    answer.data.resize(answer.data.size() - std::min<std::size_t>(answer.data.size(), argument));
  if (action == Action::kPayload) {
    for (std::size_t i = 0; i < pending.rule->bytes.size() && argument + i < answer.data.size(); ++i) {
      answer.data[argument + i] = pending.rule->bytes[i];
    }
  }
  if (action == Action::kTooLong) answer.data.resize(pending.request.dataLength + argument);
  std::array<std::byte, kHeaderBytes> header{};
  header[1] = static_cast<std::byte>(action == Action::kWrongOp ? 0x7F : pending.request.op);
  storeLittle<std::uint32_t>(&header[4], 1);
  storeLittle<std::uint32_t>(&header[8], pending.request.id + (action == Action::kWrongId ? 77 : 0));
  storeLittle<std::uint32_t>(&header[12], static_cast<std::uint32_t>(answer.data.size()));
  storeLittle<std::uint32_t>(&header[16], answer.result);
  std::copy(answer.specific.begin(), answer.specific.end(), header.begin() + 20);
  if (action == Action::kGarbage) {
    const std::string_view text = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    std::span<const std::byte> bytes = std::as_bytes(std::span(text.data(), text.size()));
    if (!pending.rule->bytes.empty()) bytes = pending.rule->bytes;
    out.insert(out.end(), bytes.begin(), bytes.end());
    pending.from->closing = true;
    return;
  }
  out.insert(out.end(), header.begin(), header.end());
  out.insert(out.end(), answer.data.begin(), answer.data.end());
  if (action == Action::kTail) {
    out.insert(out.end(), kHeaderBytes, std::byte{0xFF});
    pending.from->closing = true;
  }
  if (action == Action::kCutReply) {
    out.resize(out.size() - (kHeaderBytes + answer.data.size()) / 2);
    pending.from->closing = true;
  }
}

void SheepdogDouble::sendOut(Connection& connection) {
  while (!connection.out.empty()) {
    const ssize_t sent = ::send(connection.fd.get(), connection.out.data(), connection.out.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (sent < 0) {
      connection.out.clear();
      connection.closing = true;
      return;
    }
    connection.out.erase(connection.out.begin(), connection.out.begin() + sent);
  }
}

}  // namespace rhea::test
