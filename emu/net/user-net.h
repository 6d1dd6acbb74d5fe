// User-mode network (libslirp): a guest reaches what this process can reach, by no privileges at all; DHCP, DNS and
// forwarded ports are libslirp's.
#pragma once

#include "emu/net/netdev.h"
#include "qapi/types-net.h"

namespace rhea::net {

// Error: an address or a forwarded port that does not fit, a port that is taken; this build has no libslirp.
Result<std::unique_ptr<Netdev>> makeUserNet(std::string id, const qapi::NetdevUserOptions& options);

}  // namespace rhea::net
