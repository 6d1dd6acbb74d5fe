// Addresses of gateways, and how one is called.
#pragma once

#include "emu/io/cancel.h"
#include "emu/io/fd.h"
#include "emu/io/loop.h"

namespace rhea::block::sheepdog {

constexpr std::string_view kDefaultHost = "127.0.0.1";
constexpr std::string_view kDefaultPort = "7000";

struct Address {
  std::string host;  // empty: a socket of this host
  std::string port;
  std::string path;
  bool abstract = false;  // the path is a name in Linux' abstract space

  bool isUnix() const { return host.empty(); }
  // "10.0.0.1:7000", "unix:/var/lib/sheepdog/sock".
  std::string text() const;
  friend bool operator==(const Address&, const Address&) = default;
};

// A connected socket that does not block. Names are looked up off the loop. Error: with the reason.
Task<Result<Fd>> dial(Address address, CancelToken cancel);

}  // namespace rhea::block::sheepdog
