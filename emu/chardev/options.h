// What a chardev is made of, whichever way it was asked for: -chardev, -qmp, -monitor, -serial or chardev-add.
#pragma once

#include "emu/base/base.h"
#include "emu/io/fd.h"

namespace rhea::chardev {

// What monitor clients may do.
enum class Role : std::uint8_t { kFull, kReadOnly };
std::string_view toString(Role role);
std::optional<Role> roleFromString(std::string_view name);

struct UnixAddress {
  std::string path;
  bool abstract = false;  // a name of the kernel's own, not a file
  bool tight = true;      // abstract names: without padding
};

struct TcpAddress {
  std::string host;  // empty: all addresses (server), the local host (client)
  std::string port;  // number or service name
  std::optional<bool> ipv4;
  std::optional<bool> ipv6;
  std::uint16_t to = 0;  // server: the last port to try; 0: only `port`
};

// A socket that exists already: inherited (by number), named by getfd or by LISTEN_FDNAMES, or handed over.
struct FdAddress {
  std::string name;
  Fd fd;  // where it was looked up already
};

struct SocketOptions {
  std::variant<UnixAddress, TcpAddress, FdAddress> address;
  bool server = false;
  bool wait = true;  // server: start-up waits for the first client
  bool noDelay = false;
  bool telnet = false;
  std::chrono::milliseconds reconnect{0};  // client: tries again after this time; 0: never
};

struct UdpOptions {
  TcpAddress remote;
  std::optional<TcpAddress> local;  // none: the kernel chooses
};

struct StdioOptions {
  bool signal = true;  // Ctrl-C and the like raise signals
};

struct PtyOptions {};
struct NullOptions {};

struct FileOptions {
  std::string out;
  std::optional<std::string> in;
  bool append = false;  // instead of truncating
};

struct PipeOptions {
  std::string path;  // PATH.in and PATH.out where both exist, else PATH
};

struct RingbufOptions {
  std::uint64_t size = 65536;  // bytes, a power of two
};

// Several front ends on another chardev, one of which has the keyboard.
struct MuxOptions {
  std::string chardev;
};

using BackendOptions = std::variant<SocketOptions, StdioOptions, PtyOptions, NullOptions, FileOptions, PipeOptions,
                                    RingbufOptions, MuxOptions, UdpOptions>;
// "socket", "stdio": as -chardev names it.
std::string_view kindOf(const BackendOptions& options);

// A copy of what is written.
struct LogOptions {
  std::string file;
  bool append = false;  // instead of truncating
};

struct Options {
  Options() = default;
  Options(std::string name, BackendOptions what) : id(std::move(name)), backend(std::move(what)) {}

  std::string id;
  BackendOptions backend = NullOptions();
  bool mux = false;  // a mux of the chardev's name is put on top
  std::optional<Role> role;
  std::optional<LogOptions> log;
};

}  // namespace rhea::chardev
