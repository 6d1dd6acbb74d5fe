// The socket back end: a server with one client at a time or many, or a client that reconnects.
#pragma once

#include "emu/base/base.h"
#include "emu/chardev/chardev.h"
#include "emu/chardev/options.h"
#include "emu/chardev/outlet.h"

namespace rhea::chardev {

// Listens, or connects; with reconnect= a first failure is no error. `options.address` by descriptor holds the
// descriptor itself. Errors: as listenOn() and connectTo() say; server=on on a socket that does not listen and the
// like.
Task<Result<std::unique_ptr<Backend>>> openSocket(Outlet& outlet, SocketOptions options);

}  // namespace rhea::chardev
