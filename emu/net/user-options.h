// The words of -netdev user as addresses: networks, and forwarded ports.
#pragma once

#include "emu/base/base.h"

namespace rhea::net {

// Addresses of IPv4 in the host's byte order.
struct UserAddresses {
  std::uint32_t network = 0x0a000200;  // 10.0.2.0
  std::uint32_t mask = 0xffffff00;
  std::uint32_t host = 0;
  std::uint32_t dhcpStart = 0;
  std::uint32_t dns = 0;
};

struct Forward {
  bool udp = false;
  std::uint32_t hostAddress = 0;  // 0: all
  std::uint16_t hostPort = 0;
  std::uint32_t guestAddress = 0;  // 0: the first that DHCP gives
  std::uint16_t guestPort = 0;
};

// "10.0.2.15". Error: what was found, naming `key`.
Result<std::uint32_t> parseAddress(std::string_view text, std::string_view key);
std::string addressText(std::uint32_t address);
// "10.0.2.0/24" or "10.0.2.0/255.255.255.0", or an address alone.
Result<void> parseNetwork(std::string_view text, UserAddresses& to);
// "tcp:127.0.0.1:2222-10.0.2.15:22", "::8080-:80": protocol, host address and guest address may be left out.
Result<Forward> parseForward(std::string_view text);
// "tcp:127.0.0.1:2222", "::8080": what is forwarded, without where it leads.
Result<Forward> parseForwarded(std::string_view text);

}  // namespace rhea::net
