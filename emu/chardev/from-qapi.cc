#include "emu/chardev/from-qapi.h"

namespace rhea::chardev {

namespace {

constexpr std::string_view kSocket = "arguments.backend.data";

using Address = decltype(SocketOptions::address);

bool isNumber(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// A number is an inherited descriptor, which the table of chardevs looks up; a name is one that this client gave.
Result<Address> fdAddress(const CommandContext& context, const std::string& name) {
  FdAddress address{name, Fd()};
  if (!isNumber(name)) {
    SessionFds* given = context.fds();
    if (given == nullptr) {
      return Error(fmt::format("no descriptor is called '{}': nothing passes descriptors here", name))
          .where(fmt::format("{}.addr.data.str", kSocket));
    }
    RHEA_TRY(address.fd, given->takeNamed(name));
  }
  return Address(std::move(address));
}

TcpAddress addressOf(const qapi::SocketAddressInet& inet) {
  return TcpAddress{inet.host, inet.port, inet.ipv4, inet.ipv6, inet.to.value_or(0)};
}

Result<Address> addressOf(const CommandContext& context, const qapi::SocketAddressLegacy& from) {
  switch (from.type) {
    case qapi::SocketAddressType::inet: {
      const qapi::SocketAddressInet& inet = std::get<qapi::InetSocketAddressWrapper>(from.u).data;
      return Address(addressOf(inet));
    }
    case qapi::SocketAddressType::unix_: {
      const qapi::SocketAddressUnix& local = std::get<qapi::UnixSocketAddressWrapper>(from.u).data;
      return Address(UnixAddress{local.path, local.abstract.value_or(false), local.tight.value_or(true)});
    }
    case qapi::SocketAddressType::fd:
      break;
  }
  return fdAddress(context, std::get<qapi::FdSocketAddressWrapper>(from.u).data.str);
}

Result<TcpAddress> udpAddress(const qapi::SocketAddressLegacy& from, std::string_view member) {
  if (const auto* inet = std::get_if<qapi::InetSocketAddressWrapper>(&from.u)) return addressOf(inet->data);
  return Error("datagrams go to a host and port")
      .where(fmt::format("{}.{}.type", kSocket, member))
      .expected("an address of type inet");
}

Result<BackendOptions> udpOf(const qapi::ChardevUdp& from) {
  UdpOptions options;
  RHEA_TRY(options.remote, udpAddress(from.remote, "remote"));
  if (from.local) {
    RHEA_TRY(options.local, udpAddress(*from.local, "local"));
  }
  return BackendOptions(std::move(options));
}

// The members that all kinds share.
Result<std::optional<LogOptions>> logOf(const qapi::ChardevBackend& from) {
  std::optional<std::string> file;
  std::optional<bool> append;
  const auto read = [&](const auto& wrapper) {
    if constexpr (requires { wrapper.data.logfile; }) {
      file = wrapper.data.logfile;
      append = wrapper.data.logappend;
    }
  };
  std::visit(read, from.u);
  if (file) return std::optional(LogOptions{*file, append.value_or(false)});
  if (!append) return std::optional<LogOptions>();
  return Error("logappend says how a log is opened, and there is none")
      .where(fmt::format("{}.logappend", kSocket))
      .hint("add logfile");
}

Result<BackendOptions> socketOf(const CommandContext& context, const qapi::ChardevSocket& from) {
  SocketOptions options;
  options.server = from.server.value_or(true);
  options.wait = false;
  options.noDelay = from.nodelay.value_or(false);
  options.telnet = from.telnet.value_or(false);
  if (from.wait.value_or(false)) {
    return Error("a command cannot wait for a socket's first client")
        .where(fmt::format("{}.wait", kSocket))
        .hint("leave wait out, or make the chardev on the command line");
  }
  const std::int64_t seconds = from.reconnect.value_or(0);
  if (seconds < 0 || (seconds > 0 && options.server)) {
    return Error(seconds < 0 ? "reconnect is below 0" : "a server does not reconnect")
        .where(fmt::format("{}.reconnect", kSocket))
        .expected("seconds, for a socket with server=false");
  }
  options.reconnect = std::chrono::seconds(seconds);
  RHEA_TRY(options.address, addressOf(context, from.addr));
  return BackendOptions(std::move(options));
}

Result<BackendOptions> backendOf(const CommandContext& context, const qapi::ChardevBackend& from) {
  using Kind = qapi::ChardevBackendKind;
  switch (from.type) {
    case Kind::file: {
      const qapi::ChardevFile& file = std::get<qapi::ChardevFileWrapper>(from.u).data;
      return BackendOptions(FileOptions{file.out, file.in, file.append.value_or(false)});
    }
    case Kind::mux:
      return BackendOptions(MuxOptions{std::get<qapi::ChardevMuxWrapper>(from.u).data.chardev});
    case Kind::pipe:
      return BackendOptions(PipeOptions{std::get<qapi::ChardevHostdevWrapper>(from.u).data.device});
    case Kind::pty:
      return BackendOptions(PtyOptions());
    case Kind::ringbuf: {
      RingbufOptions options;
      const std::optional<std::int64_t> size = std::get<qapi::ChardevRingbufWrapper>(from.u).data.size;
      if (size && *size <= 0) {
        return Error(fmt::format("a ring buffer of {} bytes cannot be", *size))
            .where("arguments.backend.data.size")
            .expected("a power of two");
      }
      if (size) options.size = static_cast<std::uint64_t>(*size);
      return BackendOptions(options);
    }
    case Kind::socket:
      return socketOf(context, std::get<qapi::ChardevSocketWrapper>(from.u).data);
    case Kind::stdio:
      return BackendOptions(StdioOptions{std::get<qapi::ChardevStdioWrapper>(from.u).data.signal.value_or(true)});
    case Kind::udp:
      return udpOf(std::get<qapi::ChardevUdpWrapper>(from.u).data);
    case Kind::null:
      break;
  }
  return BackendOptions(NullOptions());
}

}  // namespace

Result<Options> optionsOf(const CommandContext& context, std::string id, const qapi::ChardevBackend& backend) {
  RHEA_TRY(BackendOptions options, backendOf(context, backend));
  Options all(std::move(id), std::move(options));
  RHEA_TRY(all.log, logOf(backend));
  return all;
}

}  // namespace rhea::chardev
