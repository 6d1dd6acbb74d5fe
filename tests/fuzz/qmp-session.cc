// A whole QMP session fed arbitrary bytes: handshake, framing, ids, queues, errors. Whatever comes, the session stays,
// and what it writes is JSON, one object a line.
#include "emu/base/json.h"
#include "emu/chardev/stream.h"
#include "emu/io/offload.h"
#include "monitor/qmp/session.h"

namespace rhea::monitor {
namespace {

// Takes what the session writes, and reads it after every piece of input.
class FuzzStream final : public chardev::Stream {
 public:
  FuzzStream() : Stream("fuzz") {}
  void receive(chardev::Receiver* receiver) override { receiver_ = receiver; }
  void write(std::string_view bytes) override { output_ += bytes; }
  std::size_t pending() const override { return output_.size(); }
  void pause(bool /*paused*/) override {}
  void close() override {
    if (chardev::Receiver* receiver = std::exchange(receiver_, nullptr)) receiver->closed();
  }
  bool isOpen() const override { return receiver_ != nullptr; }

  void feed(std::string_view bytes) {
    if (receiver_ != nullptr) receiver_->received(bytes, {});
    check();
  }
  void check() {
    std::string_view rest = output_;
    while (!rest.empty()) {
      const std::size_t end = rest.find("\r\n");
      if (end == std::string_view::npos || !json::parse(rest.substr(0, end)).ok()) std::abort();
      rest.remove_prefix(end + 2);
    }
    output_.clear();
    if (receiver_ != nullptr) receiver_->drained();
  }

 private:
  chardev::Receiver* receiver_ = nullptr;
  std::string output_;
};

Task<Result<json::Text>> negotiate(CommandContext context, json::Value /*arguments*/) {
  RHEA_CO_CHECK(context.get<Clients>().find(context.peer())->negotiate(true));
  co_return json::Text("{}");
}
Task<Result<json::Text>> echo(CommandContext /*context*/, json::Value arguments) { co_return arguments.text(); }

constexpr CommandInfo kEchoInfo{"echo", Effect::kChange, true, true, false, {}, &json::TypeOf<json::Value>::kInfo, ""};
constexpr CommandInfo kNegotiateInfo{
    "qmp_capabilities", Effect::kRead, false, true, false, {}, &json::TypeOf<json::Value>::kInfo, ""};
constexpr std::array<CommandEntry, 2> kTable = {{{&kEchoInfo, echo}, {&kNegotiateInfo, negotiate}}};

void run(std::string_view input) {
  WorkerPool workers;
  const std::unique_ptr<Loop> loop = Loop::create("main", workers).value();
  Services services;
  Clients clients;
  services.provide(clients);
  EventHub events(*loop);
  Dispatcher dispatcher(*loop, services, events, kTable);
  QmpEnvironment environment(dispatcher, events, clients, "{}");
  const auto stream = std::make_shared<FuzzStream>();
  const auto session = std::make_shared<Session>(environment, Session::Settings{"fuzz#1"}, stream, [] {});
  const auto turn = [&] {
    bool over = false;
    loop->post([&] { over = true; });
    loop->waitUntil([&] { return over; });
    stream->check();
  };
  bool ended = false;
  loop->post([&] {
    session->start();
    // The first byte says in which pieces the rest arrives.
    const std::size_t piece = input.empty() ? 1 : 1 + static_cast<unsigned char>(input[0]);
    if (!input.empty()) input.remove_prefix(1);
    for (; !input.empty(); input.remove_prefix(std::min(piece, input.size()))) stream->feed(input.substr(0, piece));
    ended = true;
  });
  loop->waitUntil([&] { return ended; });
  turn();
  loop->post([&] { session->inputEnded(); });
  turn();
}

}  // namespace
}  // namespace rhea::monitor

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  rhea::monitor::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
