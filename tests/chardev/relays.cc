// What stands between a chardev's outside and its user: logs and telnet; and datagrams, which need neither.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "emu/chardev/telnet.h"
#include "tests/chardev/table-test.h"

namespace rhea::chardev {
namespace {

using namespace std::string_literals;
using test::Probe;

class ChardevRelays : public test::TableTest {};

TEST_F(ChardevRelays, copyWhatIsWrittenToTheLog) {
  const std::string path = folder_.file("copy.log");
  for (const bool append : {false, true}) {
    Options options("c0", RingbufOptions());
    options.log = LogOptions{path, append};
    Chardev& chardev = **add(std::move(options));
    Probe probe;
    ASSERT_TRUE(chardev.attach(probe).ok());
    probe.last().stream->write("boot\n");
    ASSERT_NE(chardev.backend().ringBuffer(), nullptr);
    EXPECT_EQ(chardev.backend().ringBuffer()->read(100), "boot\n");
    const std::string expected = append ? "boot\nboot\n" : "boot\n";
    until([&] { return contents(path) == expected; });
    chardev.detach(probe);
    probe.conversations.clear();
    ASSERT_TRUE(table_.remove("c0").ok());
  }
}

TEST_F(ChardevRelays, keepTheLogUnderAMux) {
  Options options("c0", RingbufOptions());
  options.mux = true;
  options.log = LogOptions{folder_.file("mux.log"), false};
  Chardev& chardev = **add(std::move(options));
  Probe probe;
  ASSERT_TRUE(chardev.attach(probe).ok());
  probe.last().stream->write("x");
  until([&] { return contents(folder_.file("mux.log")).find('x') != std::string::npos; });
  chardev.detach(probe);
}

TEST_F(ChardevRelays, sayWhichLogCannotBeOpened) {
  Options options("c0", NullOptions());
  options.log = LogOptions{"/nonexistent/log", false};
  const Result<Chardev*> made = add(std::move(options));
  ASSERT_FALSE(made.ok());
  EXPECT_NE(made.error().message().find("/nonexistent/log"), std::string::npos) << made.error().message();
  EXPECT_FALSE(table_.find("c0").ok());
}

// A stream that a test holds both ends of.
class Wire final : public Stream {
 public:
  Wire() : Stream("wire") {}
  void receive(Receiver* receiver) override { receiver_ = receiver; }
  void write(std::string_view bytes) override { sent += bytes; }
  std::size_t pending() const override { return 0; }
  void pause(bool /*paused*/) override {}
  void close() override {
    if (Receiver* receiver = std::exchange(receiver_, nullptr)) receiver->closed();
  }
  bool isOpen() const override { return true; }
  void feed(std::string_view bytes) { receiver_->received(bytes, {}); }

  std::string sent;

 private:
  Receiver* receiver_ = nullptr;
};

TEST(Telnet, asksForKeysOneByOneAndTakesItsCommandsOut) {
  const auto wire = std::make_shared<Wire>();
  test::Probe::Conversation user(std::make_shared<TelnetStream>(wire));
  EXPECT_EQ(wire->sent, "\xFF\xFB\x01\xFF\xFB\x03\xFF\xFB\x00\xFF\xFD\x00"s);
  wire->feed("a\xFF\xFD\x01\xFF\xFA\x18\x00xterm\xFF\xF0 b\xFF\xFF"s);
  EXPECT_EQ(user.input, "a b\xFF");
  user.input.clear();
  for (const char byte : "c\xFF\xFB\x03\xFF\xF4"s) wire->feed(std::string(1, byte));
  EXPECT_EQ(user.input, "c\x03") << "in any split; an interrupt is Ctrl-C";
  wire->feed("x\xFF\xF3y"s);
  EXPECT_EQ(user.breaks, 1);
}

TEST(Telnet, dropsThePaddingOfReturnUntilTheClientIsBinary) {
  const auto wire = std::make_shared<Wire>();
  test::Probe::Conversation user(std::make_shared<TelnetStream>(wire));
  wire->feed("a\r\0"s);
  EXPECT_EQ(user.input, "a\r");
  wire->feed("\xFF\xFB\x00\r\0"s);
  EXPECT_EQ(user.input, "a\r\r\0"s);
}

TEST(Telnet, doublesTheByteThatBeginsCommands) {
  const auto wire = std::make_shared<Wire>();
  const auto telnet = std::make_shared<TelnetStream>(wire);
  wire->sent.clear();
  telnet->write(
      "1\xFF"
      "2");
  EXPECT_EQ(wire->sent,
            "1\xFF\xFF"
            "2");
}

// A UDP socket on the local host and its port.
std::pair<Fd, std::uint16_t> datagramSocket() {
  Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in name = {};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(name);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&name), size) != 0) return {};
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&name), &size);
  return {std::move(fd), ntohs(name.sin_port)};
}

TEST_F(ChardevRelays, sendAndTakeDatagrams) {
  auto [peer, port] = datagramSocket();
  ASSERT_TRUE(peer.valid());
  UdpOptions udp;
  udp.remote = TcpAddress{"127.0.0.1", std::to_string(port), {}, {}, 0};
  udp.local = TcpAddress{"127.0.0.1", "0", {}, {}, 0};
  Chardev& chardev = **add(Options("u0", std::move(udp)));
  EXPECT_EQ(chardev.backend().filename(), "udp");
  Probe probe;
  ASSERT_TRUE(chardev.attach(probe).ok());
  probe.last().stream->write("hello");
  std::array<char, 64> bytes;
  sockaddr_in from = {};
  socklen_t size = sizeof(from);
  const ssize_t count = recvfrom(peer.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
  EXPECT_EQ(std::string(bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0))), "hello");
  ASSERT_EQ(sendto(peer.get(), "answer", 6, 0, reinterpret_cast<sockaddr*>(&from), size), 6);
  until([&] { return probe.last().input == "answer"; });
  chardev.detach(probe);
}

}  // namespace
}  // namespace rhea::chardev
