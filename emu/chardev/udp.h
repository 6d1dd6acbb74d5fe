// A UDP chardev: what is written goes out as datagrams, what comes from the peer is read. There is no connection, so
// what nobody takes is lost.
#pragma once

#include "emu/chardev/chardev.h"
#include "emu/chardev/outlet.h"

namespace rhea::chardev {

// Errors: no such host or port; the local address is taken.
Task<Result<std::unique_ptr<Backend>>> openUdp(Outlet& outlet, UdpOptions options);

}  // namespace rhea::chardev
