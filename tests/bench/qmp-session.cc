// What a QMP session costs by itself: round trips and pipelined commands over a socket pair, beside a server that only
// echoes. The real program and its commands are measured by the bench kit.
//
//   BUILD/bench/qmp-session
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "emu/chardev/table.h"
#include "emu/io/offload.h"
#include "monitor/qmp/server.h"

namespace rhea::monitor {
namespace {

constexpr std::string_view kStatus = R"({"status": "prelaunch", "singlestep": false, "running": false})";

Task<Result<json::Text>> negotiate(CommandContext context, json::Value /*arguments*/) {
  RHEA_CO_CHECK(context.get<Clients>().find(context.peer())->negotiate(false));
  co_return json::Text("{}");
}
Task<Result<json::Text>> queryStatus(CommandContext /*context*/, json::Value /*arguments*/) {
  co_return json::Text(kStatus);
}

constexpr CommandInfo info(std::string_view name) {
  return {name, Effect::kRead, false, true, false, {}, &json::TypeOf<json::Value>::kInfo, ""};
}
constexpr CommandInfo kNegotiateInfo = info("qmp_capabilities");
constexpr CommandInfo kStatusInfo = info("query-status");
constexpr std::array<CommandEntry, 2> kTable = {{{&kNegotiateInfo, negotiate}, {&kStatusInfo, queryStatus}}};

// A client that blocks, as qmplat of the bench kit.
class BlockingClient {
 public:
  explicit BlockingClient(int fd) : fd_(fd) {}
  void send(std::string_view text) const {
    if (::write(fd_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) std::abort();
  }
  void takeLine() {
    for (;;) {
      const auto* end = static_cast<const char*>(std::memchr(buffer_.data() + begin_, '\n', end_ - begin_));
      if (end != nullptr) {
        begin_ = static_cast<std::size_t>(end - buffer_.data()) + 1;
        return;
      }
      std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      end_ -= std::exchange(begin_, 0);
      const ssize_t count = ::read(fd_, buffer_.data() + end_, buffer_.size() - end_);
      if (count <= 0) std::abort();
      end_ += static_cast<std::size_t>(count);
    }
  }

 private:
  int fd_;
  std::array<char, 65536> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

constexpr std::string_view kRequest = "{\"execute\": \"query-status\"}\n";

void measure(std::string_view what, int fd) {
  BlockingClient client(fd);
  constexpr int kTrips = 20'000;
  std::vector<double> times;
  for (int trip = 0; trip < kTrips; ++trip) {
    const auto before = Clock::now();
    client.send(kRequest);
    client.takeLine();
    times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - before).count());
  }
  std::ranges::sort(times);
  fmt::print("{:<24} round trip p50 {:6.1f} us, p99 {:6.1f} us", what, times[kTrips / 2], times[kTrips * 99 / 100]);
  for (const int depth : {32, 256}) {
    constexpr int kCommands = 200'000;
    int sent = 0;
    const auto before = Clock::now();
    for (int got = 0; got < kCommands; ++got) {
      for (; sent < kCommands && sent - got < depth; ++sent) client.send(kRequest);
      client.takeLine();
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - before).count();
    fmt::print(", depth {} {:.0f}/s", depth, kCommands / seconds);
  }
  fmt::print("\n");
}

void echo(int fd) {
  std::array<char, 65536> bytes;
  for (;;) {
    const ssize_t count = ::read(fd, bytes.data(), bytes.size());
    if (count <= 0) return;
    if (::write(fd, bytes.data(), static_cast<std::size_t>(count)) != count) return;
  }
}

std::pair<Fd, Fd> pairOfSockets() {
  std::array<int, 2> ends;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) std::abort();
  return {Fd(ends[0]), Fd(ends[1])};
}

void measureEcho() {
  auto [server, client] = pairOfSockets();
  std::thread thread([fd = server.get()] { echo(fd); });
  measure("echo server (the floor)", client.get());
  client.reset();
  thread.join();
}

Task<void> serve(chardev::ChardevTable& table, QmpEnvironment& environment, chardev::Options options,
                 std::unique_ptr<QmpServer>& server) {
  Result<chardev::Chardev*> chardev = co_await table.add(std::move(options));
  server = *QmpServer::create(environment, **chardev, {"qmp0"});
}

void measureSession() {
  auto ends = pairOfSockets();
  WorkerPool workers;
  std::atomic<Loop*> running{nullptr};
  std::thread thread([&workers, &running, fd = ends.first.release()] {
    const std::unique_ptr<Loop> loop = Loop::create("main", workers).value();
    Services services;
    Clients clients;
    services.provide(clients);
    FdSets fdSets;
    chardev::ChardevTable table(*loop, fdSets);
    EventHub events(*loop);
    Dispatcher dispatcher(*loop, services, events, kTable);
    QmpEnvironment environment(dispatcher, events, clients, "{}");
    std::unique_ptr<QmpServer> server;
    chardev::SocketOptions socket;
    chardev::FdAddress address;
    address.fd = Fd(fd);
    socket.address = std::move(address);
    loop->spawn(serve(table, environment, {"c0", std::move(socket)}, server));
    running.store(loop.get());
    running.notify_one();
    loop->run();
  });
  BlockingClient client(ends.second.get());
  client.takeLine();
  client.send("{\"execute\": \"qmp_capabilities\"}");
  client.takeLine();
  measure("QMP session", ends.second.get());
  running.wait(nullptr);
  running.load()->stop();
  thread.join();
}

}  // namespace
}  // namespace rhea::monitor

int main() {
  rhea::monitor::measureEcho();
  rhea::monitor::measureSession();
}
