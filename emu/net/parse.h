// -netdev and netdev_add as text: "user,id=net0,hostfwd=tcp::2222-:22,hostfwd=udp::53-:53".
#pragma once

#include "qapi/types-net.h"

namespace rhea::net {

// JSON, or key=value with the type first; `hostfwd` may be there several times. Error: as of the schema's members.
Result<qapi::Netdev> parseNetdev(std::string_view text);

// -nic: a back end and the card on it.
struct Nic {
  std::optional<qapi::Netdev> netdev;  // nothing for "none"
  std::string model = "virtio-net-pci";
  std::string mac;  // empty: the card's own choice
};
// "user,model=virtio-net-pci,mac=52:54:00:12:34:56,hostfwd=..." or "none"; `number` names what has no id.
Result<Nic> parseNic(std::string_view text, unsigned number);

// -net nic and -net user, the two halves of what -nic is.
struct OldNet {
  std::optional<qapi::Netdev> netdev;
  bool hasCard = false;
  std::string model = "virtio-net-pci";
  std::string mac;    // empty: the card's own choice
  std::string cards;  // the back end that the card names; empty: the one of -net user
};
// Adds one -net to what the others said. Errors: a second network or card, an unknown key.
Result<void> addOldNet(std::string_view text, OldNet& to);

}  // namespace rhea::net
