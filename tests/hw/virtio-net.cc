// The virtio network card on the user-mode network: a lease by DHCP, asked for by a driver that plays the guest.
#include <gtest/gtest.h>

#include "config.h"
#include "emu/net/parse.h"
#include "tests/support/virtio-driver.h"

namespace rhea::test {
namespace {

constexpr std::uint64_t kFrameAt = 0x500000;
constexpr std::uint64_t kReceiveAt = 0x600000;
constexpr std::size_t kHeader = 12;

TEST(VirtioNet, TellsAddressAndLink) {
  PciRig rig;
  ASSERT_TRUE(rig.device("virtio-net-pci,addr=5,mac=52:54:00:aa:bb:cc").ok());
  VirtioDriver driver(rig, 5);
  EXPECT_EQ(0x10001af4U, rig.readConfig(5, 0));
  EXPECT_EQ(0xccbbaa005452U, driver.deviceConfig(0, 4) | (driver.deviceConfig(4, 2) << 32));
  EXPECT_EQ(0U, driver.deviceConfig(6, 2)) << "no cable";
  EXPECT_FALSE(rig.device("virtio-net-pci,mac=53:54:00:aa:bb:cc").ok()) << "a group address";
  EXPECT_FALSE(rig.device("virtio-net-pci,mac=hello").ok());
  EXPECT_FALSE(rig.device("virtio-net-pci,netdev=n7").ok());
}

#if RHEA_HAVE_SLIRP

std::uint16_t sumOf(const std::string& bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    sum += static_cast<std::uint32_t>(static_cast<std::uint8_t>(bytes[i]) << 8);
    if (i + 1 < bytes.size()) sum += static_cast<std::uint8_t>(bytes[i + 1]);
  }
  while ((sum >> 16) != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

std::string big16(unsigned value) { return {static_cast<char>(value >> 8), static_cast<char>(value)}; }

// A DHCPDISCOVER in UDP in IPv4 in Ethernet.
std::string discover() {
  const std::string mac("\x52\x54\x00\x12\x34\x56", 6);
  std::string dhcp = std::string("\x01\x01\x06\x00\x12\x34\x56\x78", 8) + std::string(20, '\0') + mac;
  dhcp.resize(236, '\0');
  dhcp += std::string("\x63\x82\x53\x63\x35\x01\x01\xff", 8);
  dhcp.resize(300, '\0');
  const std::string udp = big16(68) + big16(67) + big16(static_cast<unsigned>(dhcp.size() + 8)) + big16(0) + dhcp;
  std::string ip = std::string("\x45\x00", 2) + big16(static_cast<unsigned>(udp.size() + 20)) +
                   std::string("\x00\x00\x00\x00\x40\x11", 6) + big16(0) + std::string(4, '\0') +
                   std::string(4, '\xff');
  ip.replace(10, 2, big16(sumOf(ip)));
  return std::string(6, '\xff') + mac + std::string("\x08\x00", 2) + ip + udp;
}

TEST(VirtioNet, GetsALeaseFromTheUserModeNetwork) {
  PciRig rig;
  rig.onMain([&] { ASSERT_TRUE(rig.networks().add(*net::parseNetdev("user,id=n0,dhcpstart=10.0.2.77")).ok()); });
  ASSERT_TRUE(rig.device("virtio-net-pci,addr=5,netdev=n0,id=nic").ok());
  EXPECT_NE(std::string::npos, rig.device("virtio-net-pci,netdev=n0").error().describe().find("nic"));
  VirtioDriver driver(rig, 5);
  EXPECT_EQ(1U, driver.deviceConfig(6, 2)) << "link";
  ASSERT_TRUE(driver.negotiate(virtio::kVersion1 | virtio::bit(5) | virtio::bit(16)));
  driver.enableMsix(3, 0x40);
  GuestQueue receive = driver.setUpQueue(0, BlkDriver::kRing);
  GuestQueue transmit = driver.setUpQueue(1, BlkDriver::kRing + 0x10000);
  driver.driverOk();
  for (unsigned i = 0; i < 8; ++i) {
    receive.chain(i, {{kReceiveAt + 2048 * i, 2048, true}});
    receive.offer(i);
  }
  driver.notify(0);

  const std::string frame = discover();
  std::memset(&rig.at<char>(kFrameAt), 0, kHeader);
  std::memcpy(&rig.at<char>(kFrameAt + kHeader), frame.data(), frame.size());
  transmit.chain(0, {{kFrameAt, static_cast<std::uint32_t>(kHeader + frame.size()), false}});
  transmit.offer(0);
  driver.notify(1);
  EXPECT_TRUE(rig.waitForMessage(0x42)) << "sent";

  bool offered = false;
  for (int round = 0; round < 8 && !offered; ++round) {
    const auto done = receive.poll();
    ASSERT_TRUE(done);
    const std::string came(&rig.at<char>(kReceiveAt + 2048 * done->first), done->second);
    const std::size_t udp = kHeader + 14 + 20;
    const bool isOffer = came.size() > udp + 8 + 240 && came.substr(udp, 2) == big16(67);
    if (isOffer) offered = came.substr(udp + 8 + 16, 4) == std::string("\x0a\x00\x02\x4d", 4);
  }
  EXPECT_TRUE(offered) << "10.0.2.77";
}

#endif

}  // namespace
}  // namespace rhea::test
