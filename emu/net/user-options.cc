#include "emu/net/user-options.h"

#include <arpa/inet.h>

#include <charconv>

namespace rhea::net {

namespace {

std::optional<unsigned> number(std::string_view text, unsigned most) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > most) return std::nullopt;
  return value;
}

Error badForward(std::string_view text, std::string_view what) {
  return Error(fmt::format("'{}' forwards nothing: {}", text, what))
      .where("hostfwd")
      .expected("[tcp|udp]:[HOST-ADDRESS]:HOST-PORT-[GUEST-ADDRESS]:GUEST-PORT");
}

// "ADDRESS:PORT", the address optional.
Result<std::pair<std::uint32_t, std::uint16_t>> endpoint(std::string_view whole, std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos) return badForward(whole, fmt::format("'{}' has no colon before its port", text));
  std::uint32_t address = 0;
  if (colon > 0) {
    RHEA_TRY(address, parseAddress(text.substr(0, colon), "hostfwd"));
  }
  const std::optional<unsigned> port = number(text.substr(colon + 1), 65535);
  if (!port || *port == 0) return badForward(whole, fmt::format("'{}' is no port", text.substr(colon + 1)));
  return std::pair(address, static_cast<std::uint16_t>(*port));
}

}  // namespace

Result<std::uint32_t> parseAddress(std::string_view text, std::string_view key) {
  in_addr address{};
  if (::inet_pton(AF_INET, std::string(text).c_str(), &address) == 1) return ntohl(address.s_addr);
  return Error(fmt::format("'{}' is no IPv4 address", text)).where(std::string(key)).expected("as 10.0.2.15");
}

std::string addressText(std::uint32_t address) {
  return fmt::format("{}.{}.{}.{}", address >> 24, (address >> 16) & 0xff, (address >> 8) & 0xff, address & 0xff);
}

Result<void> parseNetwork(std::string_view text, UserAddresses& to) {
  const std::size_t slash = text.find('/');
  RHEA_TRY(const std::uint32_t network, parseAddress(text.substr(0, slash), "net"));
  if (slash != text.npos) {
    const std::string_view behind = text.substr(slash + 1);
    if (const std::optional<unsigned> bits = number(behind, 30); bits && *bits >= 8) {
      to.mask = ~((std::uint32_t{1} << (32 - *bits)) - 1);
    } else {
      RHEA_TRY(to.mask, parseAddress(behind, "net"));
    }
  } else {
    to.mask = 0xffffff00;
  }
  // The gateway, the resolver and a guest need a place each.
  const std::uint32_t hosts = ~to.mask;
  if ((hosts & (hosts + 1)) != 0 || hosts < 3) {
    return Error(fmt::format("'{}' is no network for a guest", text))
        .where("net")
        .expected("8 to 30 bits, as 10.0.2.0/24");
  }
  to.network = network & to.mask;
  return success();
}

namespace {

// Takes the protocol off the front.
Result<bool> takeUdp(std::string_view whole, std::string_view& text) {
  const std::size_t colon = text.find(':');
  const std::string_view protocol = text.substr(0, colon);
  if (colon == text.npos || (protocol != "tcp" && protocol != "udp" && !protocol.empty())) {
    return badForward(whole, fmt::format("'{}' is neither tcp nor udp", protocol));
  }
  text.remove_prefix(colon + 1);
  return protocol == "udp";
}

}  // namespace

Result<Forward> parseForward(std::string_view text) {
  Forward forward;
  std::string_view rest = text;
  RHEA_TRY(forward.udp, takeUdp(text, rest));
  const std::size_t dash = rest.find('-');
  if (dash == rest.npos) return badForward(text, "there is no '-' between host and guest");
  RHEA_TRY(const auto host, endpoint(text, rest.substr(0, dash)));
  RHEA_TRY(const auto guest, endpoint(text, rest.substr(dash + 1)));
  forward.hostAddress = host.first;
  forward.hostPort = host.second;
  forward.guestAddress = guest.first;
  forward.guestPort = guest.second;
  return forward;
}

Result<Forward> parseForwarded(std::string_view text) {
  Forward forward;
  std::string_view rest = text;
  RHEA_TRY(forward.udp, takeUdp(text, rest));
  RHEA_TRY(const auto host, endpoint(text, rest));
  forward.hostAddress = host.first;
  forward.hostPort = host.second;
  return forward;
}

}  // namespace rhea::net
