// -netdev user: its options, and frames through libslirp.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>

#include "config.h"
#include "emu/io/fd.h"
#include "emu/net/net-table.h"
#include "emu/net/parse.h"
#include "emu/net/user-options.h"

namespace rhea::net {
namespace {

std::string refusalOf(std::string_view text) {
  Result<qapi::Netdev> options = parseNetdev(text);
  if (!options.ok()) return options.error().describe();
  NetTable table;
  Result<void> added = table.add(*options);
  return added.ok() ? "" : added.error().describe();
}

TEST(NetdevOptions, ReadsForwardsAsOftenAsTheyAreGiven) {
  const Result<qapi::Netdev> options =
      parseNetdev("user,id=n0,hostfwd=tcp:127.0.0.1:2222-10.0.2.15:22,restrict=on,hostfwd=udp::53-:5353");
  ASSERT_TRUE(options.ok()) << options.error().describe();
  const auto& user = std::get<qapi::NetdevUserOptions>(options->u);
  ASSERT_EQ(2U, user.hostfwd->size());
  EXPECT_TRUE(user.restrict.value_or(false));
  const Result<Forward> first = parseForward(user.hostfwd->at(0).str);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(0x7f000001U, first->hostAddress);
  EXPECT_EQ(2222, first->hostPort);
  EXPECT_EQ(0x0a00020fU, first->guestAddress);
  EXPECT_EQ(22, first->guestPort);
  const Result<Forward> second = parseForward(user.hostfwd->at(1).str);
  ASSERT_TRUE(second.ok());
  EXPECT_TRUE(second->udp);
  EXPECT_EQ(5353, second->guestPort);
}

TEST(NetdevOptions, NamesWhatDoesNotFit) {
  for (const char* bad : {"tcp:2222", "sctp::1-:2", "tcp::x-:2", "tcp::1-:0", "tcp:1.2.3:1-:2", "tcp::70000-:2", ""}) {
    const Result<Forward> forward = parseForward(bad);
    ASSERT_FALSE(forward.ok()) << bad;
    EXPECT_EQ("hostfwd", forward.error().whereText()) << bad;
  }
  EXPECT_NE("", refusalOf("user,id=n0,net=10.0.2.0/31"));
  EXPECT_NE("", refusalOf("user,id=n0,net=abc"));
  EXPECT_NE("", refusalOf("user,id=n0,dhcpstart=10.0.3.15"));
  EXPECT_NE("", refusalOf("tap,id=n0"));
  EXPECT_NE("", refusalOf("user,id=9n"));
  EXPECT_NE(std::string::npos, refusalOf("user,id=n0,hostfw=x").find("hostfwd"));
}

TEST(NetdevOptions, TakesACardsKeysApart) {
  const Result<Nic> nic =
      parseNic("user,model=virtio-net-pci,mac=52:54:00:00:00:01,hostfwd=tcp::1-:2,hostfwd=tcp::3-:4", 3);
  ASSERT_TRUE(nic.ok()) << nic.error().describe();
  EXPECT_EQ("52:54:00:00:00:01", nic->mac);
  EXPECT_EQ("nic3", nic->netdev->id);
  EXPECT_EQ(2U, std::get<qapi::NetdevUserOptions>(nic->netdev->u).hostfwd->size());
  EXPECT_FALSE(parseNic("none", 0)->netdev);
}

#if RHEA_HAVE_SLIRP

class Frames final : public Card {
 public:
  void receive(std::span<const std::byte> frame) override {
    const std::lock_guard lock(guard_);
    frames_.emplace_back(reinterpret_cast<const char*>(frame.data()), frame.size());
    changed_.notify_all();
  }
  // The first frame that holds, within ten seconds.
  std::optional<std::string> wait(const std::function<bool(const std::string&)>& holds) {
    std::unique_lock lock(guard_);
    std::optional<std::string> found;
    changed_.wait_for(lock, std::chrono::seconds(10), [&] {
      for (const std::string& frame : frames_) {
        if (holds(frame)) found = frame;
      }
      return found.has_value();
    });
    return found;
  }

 private:
  std::mutex guard_;
  std::condition_variable changed_;
  std::vector<std::string> frames_;
};

constexpr std::string_view kGuest("\x52\x54\x00\x12\x34\x56", 6);

std::vector<std::byte> bytesOf(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::string big16(unsigned value) { return {static_cast<char>(value >> 8), static_cast<char>(value)}; }

std::string arp(bool reply, const std::string& hardware, const std::string& target) {
  return std::string("\x00\x01\x08\x00\x06\x04", 6) + big16(reply ? 2 : 1) + std::string(kGuest) +
         std::string("\x0a\x00\x02\x0f", 4) + hardware + target;
}

TEST(UserNet, AnswersForItsGatewayAndForwardsPorts) {
  // A port that is free now; another process may take it, then this cannot be tried.
  const Fd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(0, ::bind(probe.get(), reinterpret_cast<sockaddr*>(&address), sizeof address));
  socklen_t length = sizeof address;
  ASSERT_EQ(0, ::getsockname(probe.get(), reinterpret_cast<sockaddr*>(&address), &length));
  const unsigned port = ntohs(address.sin_port);
  const_cast<Fd&>(probe) = Fd();

  Frames card;
  NetTable table;
  const auto options = parseNetdev(fmt::format("user,id=n0,hostfwd=tcp:127.0.0.1:{}-:22", port));
  ASSERT_TRUE(options.ok());
  const Result<void> added = table.add(*options);
  ASSERT_TRUE(added.ok()) << added.error().describe();
  Netdev& net = **table.find("n0");
  net.connect(&card);

  const std::string broadcast(6, '\xff');
  net.send(bytesOf(broadcast + std::string(kGuest) + "\x08\x06" +
                   arp(false, std::string(6, '\0'), std::string("\x0a\x00\x02\x02", 4))));
  const auto reply = card.wait([](const std::string& frame) {
    return frame.size() >= 42 && frame.substr(12, 2) == "\x08\x06" && frame[21] == 2;
  });
  ASSERT_TRUE(reply) << "the gateway answers ARP";
  const std::string gateway = reply->substr(22, 6);

  const Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  (void)::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  // It may ask for the guest's address first.
  net.send(
      bytesOf(gateway + std::string(kGuest) + "\x08\x06" + arp(true, gateway, std::string("\x0a\x00\x02\x02", 4))));
  const auto syn = card.wait([](const std::string& frame) {
    return frame.size() >= 54 && frame.substr(12, 2) == std::string("\x08\x00", 2) && frame[23] == 6 &&
           frame.substr(36, 2) == std::string("\x00\x16", 2) && (frame[47] & 0x02) != 0;
  });
  EXPECT_TRUE(syn) << "a connection to the host's port reaches port 22 of the guest";
  net.connect(nullptr);
}

TEST(UserNet, KeepsWhatACardUses) {
  NetTable table;
  ASSERT_TRUE(table.add(*parseNetdev("user,id=n0")).ok());
  EXPECT_FALSE(table.add(*parseNetdev("user,id=n0")).ok());
  Frames card;
  (*table.find("n0"))->use(card, "device 'nic'", "nic");
  EXPECT_NE(std::string::npos, table.remove("n0").error().describe().find("device 'nic'"));
  (*table.find("n0"))->letGo();
  EXPECT_TRUE(table.remove("n0").ok());
  EXPECT_FALSE(table.find("n0").ok());
}

#endif

}  // namespace
}  // namespace rhea::net
