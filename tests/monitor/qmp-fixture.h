// A QMP monitor with commands made for tests, and clients on socket pairs.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "emu/base/json.h"
#include "emu/chardev/table.h"
#include "emu/io/sync.h"
#include "monitor/qmp/server.h"
#include "tests/support/loops.h"
#include "tests/support/run-task.h"

namespace rhea::monitor::test {

using namespace std::chrono_literals;

// What the commands of the tests work on; a service.
struct Playground {
  Event gate;        // `wait` returns when it is set
  int waiting = 0;   // commands inside `wait`
  int finished = 0;  // `wait`s that ended
  std::string written;
};

using Reply = Task<Result<json::Text>>;

inline Reply negotiateCommand(CommandContext context, json::Value arguments) {
  Client* client = context.get<Clients>().find(context.peer());
  const auto enable = arguments.isNull() ? std::nullopt : arguments.find("enable");
  RHEA_CO_CHECK(client->negotiate(enable && enable->size() > 0));
  co_return json::Text("{}");
}
inline Reply echoCommand(CommandContext /*context*/, json::Value arguments) { co_return arguments.text(); }
inline Reply waitCommand(CommandContext context, json::Value /*arguments*/) {
  auto& ground = context.get<Playground>();
  context.setWaitingFor("the gate");
  ++ground.waiting;
  const Result<void> opened = co_await ground.gate.wait(context.cancel());
  ++ground.finished;
  if (!opened.ok()) co_return opened.error();
  co_return json::Text("\"waited\"");
}
// As storage that hangs: the wish to end is not heard.
inline Reply stubbornCommand(CommandContext context, json::Value /*arguments*/) {
  auto& ground = context.get<Playground>();
  context.setWaitingFor("a dead disk");
  ++ground.waiting;
  RHEA_CO_CHECK(co_await ground.gate.wait());
  ++ground.finished;
  co_return json::Text("{\"late\": true}");
}
inline Reply changeCommand(CommandContext context, json::Value arguments) {
  if (const auto text = arguments.isNull() ? std::nullopt : arguments.find("text")) {
    context.get<Playground>().written = text->asString();
  }
  co_return json::Text("{}");
}
inline Reply bigCommand(CommandContext /*context*/, json::Value /*arguments*/) {
  co_return '"' + std::string(200'000, 'x') + '"';
}
inline Reply failCommand(CommandContext /*context*/, json::Value /*arguments*/) {
  co_return Error(ErrorClass::kDeviceNotFound, "no drive is called 'disc0'")
      .where("arguments.device")
      .expected("a drive")
      .candidates({"disk0"})
      .hint("query-block lists drives");
}
// The bytes of the descriptor that came with the command.
inline Reply readFdCommand(CommandContext context, json::Value /*arguments*/) {
  RHEA_CO_TRY(const Fd fd, context.fds()->takeReceived());
  std::array<char, 64> bytes;
  const ssize_t count = ::read(fd.get(), bytes.data(), bytes.size());
  co_return '"' + std::string(bytes.data(), count > 0 ? static_cast<std::size_t>(count) : 0) + '"';
}

constexpr CommandInfo info(std::string_view name, Effect effect = Effect::kRead, bool oob = false) {
  return {name, effect, oob, true, false, 0s, &json::TypeOf<json::Value>::kInfo, ""};
}
inline constexpr std::array kInfos = {info("big"),     info("change", Effect::kChange),       info("echo"),
                                      info("fail"),    info("oob-echo", Effect::kRead, true), info("qmp_capabilities"),
                                      info("read-fd"), info("stubborn", Effect::kChange),     info("wait")};
inline constexpr std::array<CommandEntry, 9> kTable = {{{&kInfos[0], bigCommand},
                                                        {&kInfos[1], changeCommand},
                                                        {&kInfos[2], echoCommand},
                                                        {&kInfos[3], failCommand},
                                                        {&kInfos[4], echoCommand},
                                                        {&kInfos[5], negotiateCommand},
                                                        {&kInfos[6], readFdCommand},
                                                        {&kInfos[7], stubbornCommand},
                                                        {&kInfos[8], waitCommand}}};

// The other end of a socket pair; never blocks.
class FakeClient {
 public:
  explicit FakeClient(Fd fd) : fd_(std::move(fd)) {}
  void send(std::string_view text) const {
    ASSERT_EQ(::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  void sendWithFds(std::string_view text, const std::vector<int>& fds) const {
    iovec part = {const_cast<char*>(text.data()), text.size()};
    std::vector<char> control(CMSG_SPACE(fds.size() * sizeof(int)));
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
    ASSERT_EQ(sendmsg(fd_.get(), &message, MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  // Takes what has come.
  void poll() {
    std::array<char, 65536> bytes;
    for (;;) {
      const ssize_t count = recv(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (count == 0) ended_ = true;
      if (count <= 0) return;
      input_.append(bytes.data(), static_cast<std::size_t>(count));
    }
  }
  bool hasLine() {
    poll();
    return input_.find("\r\n") != std::string::npos;
  }
  std::string line() {
    const std::size_t end = input_.find("\r\n");
    if (end == std::string::npos) return {};
    std::string result = input_.substr(0, end);
    input_.erase(0, end + 2);
    return result;
  }
  bool ended() {
    poll();
    return ended_;
  }
  void shutdownWrite() const { shutdown(fd_.get(), SHUT_WR); }
  void close() { fd_.reset(); }

 private:
  Fd fd_;
  std::string input_;
  bool ended_ = false;
};

class QmpTest : public rhea::test::LoopTest {
 protected:
  QmpTest() {
    services_.provide(ground_);
    services_.provide(clients_);
  }
  ~QmpTest() override { servers_.clear(); }

  // A monitor on one end of a socket pair.
  FakeClient connect(QmpServer::Settings settings = {"qmp0"}) {
    std::array<int, 2> ends;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) std::terminate();
    chardev::SocketOptions options;
    chardev::FdAddress address;
    address.fd = Fd(ends[0]);
    options.address = std::move(address);
    chardev::Chardev* chardev =
        *rhea::test::runTask(*loop_, chardevs_.add({chardevs_.freeId("c"), std::move(options)}));
    servers_.push_back(*QmpServer::create(environment_, *chardev, std::move(settings)));
    return FakeClient(Fd(ends[1]));
  }
  // ... that has read the greeting and negotiated.
  FakeClient connectReady(bool oob = false, QmpServer::Settings settings = {"qmp0"}) {
    FakeClient client = connect(std::move(settings));
    nextLine(client);
    client.send(oob ? R"({"execute": "qmp_capabilities", "arguments": {"enable": ["oob"]}})"
                    : R"({"execute": "qmp_capabilities"})");
    EXPECT_EQ(nextLine(client), R"({"return": {}})");
    return client;
  }
  void until(const std::function<bool()>& done) {
    bool late = false;
    const auto bound = loop_->timer(10s, [&] { late = true; });
    const auto tick = loop_->timer(
        500us, [] {}, true);
    loop_->waitUntil([&] { return late || done(); });
    EXPECT_FALSE(late) << "it did not happen within 10 seconds";
  }
  void pause(Duration time) {
    bool over = false;
    const auto timer = loop_->timer(time, [&] { over = true; });
    loop_->waitUntil([&] { return over; });
  }
  std::string nextLine(FakeClient& client) {
    until([&] { return client.hasLine(); });
    return client.line();
  }
  std::string ask(FakeClient& client, std::string_view message) {
    client.send(message);
    return nextLine(client);
  }

  Playground ground_;
  Services services_;
  Clients clients_;
  FdSets fdSets_;
  chardev::ChardevTable chardevs_{*loop_, fdSets_};
  EventHub events_{*loop_};
  Dispatcher dispatcher_{*loop_, services_, events_, kTable};
  QmpEnvironment environment_{dispatcher_, events_, clients_, R"({"qemu": {"major": 7}, "package": "rhea"})"};
  std::vector<std::unique_ptr<QmpServer>> servers_;
};

}  // namespace rhea::monitor::test
