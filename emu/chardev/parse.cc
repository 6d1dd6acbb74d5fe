#include "emu/chardev/parse.h"

#include <charconv>

#include "emu/base/keyval.h"
#include "emu/base/names.h"

namespace rhea::chardev {

namespace {

// The options of one chardev, taken out one by one; what is left over at the end is unknown.
class Taker {
 public:
  explicit Taker(Keyval options) : options_(std::move(options)) {}

  std::optional<std::string> text(std::string_view key) {
    known_.emplace_back(key);
    return options_.take(key);
  }

  Result<std::string> required(std::string_view key, std::string_view kind) {
    std::optional<std::string> value = text(key);
    if (!value || value->empty()) {
      return Error(fmt::format("a {} chardev needs {}=", kind, key)).where(std::string(key));
    }
    return *std::move(value);
  }

  // "on" and the other spellings; `nokey` for key=off, which older scripts write.
  Result<std::optional<bool>> flag(std::string_view key) {
    const std::string negated = fmt::format("no{}", key);
    if (const Keyval::Entry* entry = options_.find(negated); entry != nullptr && entry->bare) {
      options_.take(negated);
      return std::optional<bool>(false);
    }
    const std::optional<std::string> value = text(key);
    if (!value) return std::optional<bool>();
    for (const std::string_view yes : {"on", "yes", "true", "y"}) {
      if (*value == yes) return std::optional<bool>(true);
    }
    for (const std::string_view no : {"off", "no", "false", "n"}) {
      if (*value == no) return std::optional<bool>(false);
    }
    return Error(fmt::format("{}={} is neither on nor off", key, *value)).where(std::string(key)).expected("on or off");
  }
  Result<bool> flag(std::string_view key, bool otherwise) {
    RHEA_TRY(const std::optional<bool> value, flag(key));
    return value.value_or(otherwise);
  }

  Result<std::uint64_t> number(std::string_view key, std::uint64_t otherwise, std::uint64_t most) {
    const std::optional<std::string> value = text(key);
    if (!value) return otherwise;
    std::uint64_t result = 0;
    const char* end = value->data() + value->size();
    const auto parsed = std::from_chars(value->data(), end, result);
    std::uint64_t unit = 1;
    if (parsed.ptr + 1 == end && most > 65536) {
      if (*parsed.ptr == 'k' || *parsed.ptr == 'K') unit = 1024;
      if (*parsed.ptr == 'm' || *parsed.ptr == 'M') unit = 1024 * 1024;
    }
    const bool whole = parsed.ptr == end || unit != 1;
    if (parsed.ec != std::errc() || !whole || result > most / unit) {
      return Error(fmt::format("{}={} is not a number that fits", key, *value))
          .where(std::string(key))
          .expected(fmt::format("a number up to {}", most));
    }
    return result * unit;
  }

  // For what other emulators have and this one has not: asked for, it is refused by name. Off is what it is.
  Result<void> refuse(std::string_view key, std::string_view why) {
    const std::optional<std::string> value = options_.take(key);
    if (!value || *value == "off") return success();
    return Error(fmt::format("{}={} cannot be had: {}", key, *value, why)).where(std::string(key));
  }

  Result<void> nothingLeft(std::string_view kind) const {
    if (options_.entries().empty()) return success();
    const std::string& key = options_.entries().front().key;
    std::vector<std::string> near = nearestNames(key, known_);
    return Error(fmt::format("a {} chardev has no option '{}'", kind, key))
        .where(key)
        .candidates(near.empty() ? known_ : std::move(near));
  }

 private:
  Keyval options_;
  std::vector<std::string> known_;
};

Result<BackendOptions> readAddress(Taker& from) {
  SocketOptions result;
  const std::optional<std::string> path = from.text("path");
  const std::optional<std::string> host = from.text("host");
  const std::optional<std::string> port = from.text("port");
  const std::optional<std::string> fd = from.text("fd");
  if (int(path.has_value()) + int(host || port) + int(fd.has_value()) != 1) {
    return Error("a socket chardev needs one address")
        .expected("path=PATH (a UNIX socket), or host=HOST,port=PORT, or fd=NUMBER-OR-NAME");
  }
  if (path) {
    UnixAddress address;
    address.path = *path;
    RHEA_TRY(address.abstract, from.flag("abstract", false));
    RHEA_TRY(address.tight, from.flag("tight", true));
    result.address = std::move(address);
  } else if (fd) {
    FdAddress address;
    address.name = *fd;
    result.address = std::move(address);
  } else {
    if (!port) return Error("a socket chardev with host= needs port=").where("port");
    TcpAddress address;
    address.host = host.value_or("");
    address.port = *port;
    RHEA_TRY(address.ipv4, from.flag("ipv4"));
    RHEA_TRY(address.ipv6, from.flag("ipv6"));
    RHEA_TRY(const std::uint64_t to, from.number("to", 0, 65535));
    address.to = static_cast<std::uint16_t>(to);
    result.address = std::move(address);
  }
  return BackendOptions(std::move(result));
}

Result<BackendOptions> readSocket(Taker& from) {
  RHEA_TRY(BackendOptions read, readAddress(from));
  SocketOptions& result = std::get<SocketOptions>(read);
  RHEA_TRY(result.server, from.flag("server", false));
  RHEA_TRY(const std::optional<bool> wait, from.flag("wait"));
  if (wait && !result.server) return Error("only a server waits for a client").where("wait").hint("add server=on");
  result.wait = wait.value_or(true);
  RHEA_TRY(const std::optional<bool> delay, from.flag("delay"));
  RHEA_TRY(result.noDelay, from.flag("nodelay", delay.has_value() && !*delay));
  RHEA_TRY(const std::uint64_t seconds, from.number("reconnect", 0, 65535));
  if (seconds > 0 && result.server) return Error("a server does not connect").where("reconnect");
  result.reconnect = std::chrono::seconds(seconds);
  RHEA_TRY(result.telnet, from.flag("telnet", false));
  RHEA_CHECK(
      from.refuse("websocket", "this version has no WebSocket; a proxy such as websockify serves a plain socket"));
  RHEA_CHECK(from.refuse("tn3270", "this version has no IBM terminals"));
  constexpr std::string_view kNoTls =
      "this version has no TLS; a UNIX socket, or a tunnel such as ssh -L, keeps others out";
  RHEA_CHECK(from.refuse("tls-creds", kNoTls));
  RHEA_CHECK(from.refuse("tls-authz", kNoTls));
  return read;
}

Result<BackendOptions> readUdp(Taker& from) {
  UdpOptions result;
  result.remote.host = from.text("host").value_or("");
  RHEA_TRY(result.remote.port, from.required("port", "udp"));
  RHEA_TRY(result.remote.ipv4, from.flag("ipv4"));
  RHEA_TRY(result.remote.ipv6, from.flag("ipv6"));
  const std::optional<std::string> host = from.text("localaddr");
  const std::optional<std::string> port = from.text("localport");
  if (host || port) {
    result.local.emplace();
    result.local->host = host.value_or("");
    result.local->port = port.value_or("");
  }
  return BackendOptions(std::move(result));
}

Result<BackendOptions> readStdio(Taker& from) {
  StdioOptions result;
  RHEA_TRY(result.signal, from.flag("signal", true));
  return BackendOptions(result);
}

Result<BackendOptions> readFile(Taker& from) {
  FileOptions result;
  RHEA_TRY(result.out, from.required("path", "file"));
  result.in = from.text("input-path");
  RHEA_TRY(result.append, from.flag("append", false));
  return BackendOptions(std::move(result));
}

Result<BackendOptions> readPipe(Taker& from) {
  PipeOptions result;
  RHEA_TRY(result.path, from.required("path", "pipe"));
  return BackendOptions(std::move(result));
}

Result<BackendOptions> readRingbuf(Taker& from) {
  RingbufOptions result;
  RHEA_TRY(result.size, from.number("size", result.size, std::uint64_t{1} << 40));
  return BackendOptions(result);
}

Result<BackendOptions> readMux(Taker& from) {
  MuxOptions result;
  RHEA_TRY(result.chardev, from.required("chardev", "mux"));
  return BackendOptions(std::move(result));
}

struct Kind {
  std::string_view name;
  std::string_view doc;
  Result<BackendOptions> (*read)(Taker& from);
};

constexpr std::array kKinds = {
    Kind{"socket", "a UNIX or TCP socket, listening or connecting", readSocket},
    Kind{"udp", "datagrams to and from one address", readUdp},
    Kind{"stdio", "the program's standard input and output", readStdio},
    Kind{"pty", "a new pseudo terminal", [](Taker&) -> Result<BackendOptions> { return BackendOptions(PtyOptions()); }},
    Kind{"file", "a file that is written, and one that is read", readFile},
    Kind{"pipe", "named pipes PATH.in and PATH.out, or PATH", readPipe},
    Kind{"ringbuf", "memory that keeps the last bytes written", readRingbuf},
    Kind{"memory", "the same as ringbuf", readRingbuf},
    Kind{"mux", "several users on another chardev", readMux},
    Kind{"null", "nothing", [](Taker&) -> Result<BackendOptions> { return BackendOptions(NullOptions()); }},
};

Result<Options> readOptions(std::string_view kindName, Taker& from) {
  const auto* const kind = std::ranges::find(kKinds, kindName, &Kind::name);
  if (kind == kKinds.end()) {
    std::vector<std::string> names;
    for (const Kind& known : kKinds) names.emplace_back(known.name);
    return Error(fmt::format("there is no kind of chardev called '{}'", kindName)).candidates(std::move(names));
  }
  Options result;
  RHEA_TRY(result.backend, kind->read(from));
  RHEA_TRY(result.mux, from.flag("mux", false));
  if (const std::optional<std::string> role = from.text("role")) {
    result.role = roleFromString(*role);
    if (!result.role) {
      return Error(fmt::format("there is no role '{}'", *role)).where("role").candidates({"full", "read-only"});
    }
  }
  const std::optional<std::string> logFile = from.text("logfile");
  RHEA_TRY(const std::optional<bool> logAppend, from.flag("logappend"));
  if (logFile) {
    result.log = LogOptions{*logFile, logAppend.value_or(false)};
  } else if (logAppend) {
    return Error("logappend says how a log is opened, and there is none").where("logappend").hint("add logfile=PATH");
  }
  RHEA_CHECK(from.nothingLeft(kindName));
  return result;
}

// The part before the first comma that is not doubled, and the rest.
std::pair<std::string, std::string_view> splitFirst(std::string_view text) {
  std::string first;
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    if (text[at] == ',') {
      if (at + 1 == text.size() || text[at + 1] != ',') break;
      ++at;
    }
    first.push_back(text[at]);
  }
  return {std::move(first), text.substr(std::min(at + 1, text.size()))};
}

// "HOST:PORT", "[::1]:PORT".
Result<void> setHostAndPort(Keyval& options, std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return Error(fmt::format("'{}' has no port", text)).expected("tcp:HOST:PORT, where HOST may be empty");
  }
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  options.set("host", std::string(host));
  options.set("port", std::string(text.substr(colon + 1)));
  return success();
}

// "[HOST]:PORT[@[HOST]:PORT]": the peer's address, and ours.
Result<void> setUdpAddresses(Keyval& options, std::string_view text) {
  const std::size_t at = text.find('@');
  RHEA_CHECK(setHostAndPort(options, text.substr(0, at)));
  if (at == std::string_view::npos) return success();
  Keyval local;
  RHEA_CHECK(setHostAndPort(local, text.substr(at + 1)));
  options.set("localaddr", *local.take("host"));
  options.set("localport", *local.take("port"));
  return success();
}

struct ShortKind {
  std::string_view prefix;
  std::string_view kind;
  std::string_view key;  // what follows the prefix becomes; empty: nothing may follow
};

constexpr std::array kShortKinds = {
    ShortKind{"udp:", "udp", "host"},    ShortKind{"telnet:", "socket", "host"}, ShortKind{"unix:", "socket", "path"},
    ShortKind{"tcp:", "socket", "host"}, ShortKind{"fd:", "socket", "fd"},       ShortKind{"file:", "file", "path"},
    ShortKind{"pipe:", "pipe", "path"},  ShortKind{"stdio", "stdio", ""},        ShortKind{"pty", "pty", ""},
    ShortKind{"null", "null", ""},       ShortKind{"ringbuf", "ringbuf", ""},
};

}  // namespace

Result<Options> parseChardev(std::string_view text) {
  RHEA_TRY(Keyval options, Keyval::parse(text, "backend"));
  const std::optional<std::string> kind = options.take("backend");
  const std::optional<std::string> id = options.take("id");
  if (!kind) return Error("-chardev begins with the kind of chardev").expected("socket, stdio, pty, file, ...");
  if (!id) return Error("a chardev needs a name").where("id").hint("add id=NAME");
  Taker from(std::move(options));
  RHEA_TRY(Options result, readOptions(*kind, from));
  result.id = *id;
  return result;
}

std::vector<KindHelp> kinds() {
  std::vector<KindHelp> list;
  for (const Kind& kind : kKinds) list.push_back({kind.name, kind.doc});
  return list;
}

Result<ShortForm> parseShortForm(std::string_view text, std::string id) {
  ShortForm result;
  if (text.starts_with("mon:")) {
    text.remove_prefix(4);
    result.withMonitor = true;
  }
  const auto [first, rest] = splitFirst(text);
  if (first.starts_with("chardev:")) {
    result.existing = first.substr(8);
    if (rest.empty()) return result;
    return Error(fmt::format("nothing can follow '{}'", first));
  }
  if (first == "none" && rest.empty()) {
    result.none = true;
    return result;
  }
  const auto* const kind = std::ranges::find_if(kShortKinds, [&first = first](const ShortKind& known) {
    return known.key.empty() ? first == known.prefix : first.starts_with(known.prefix);
  });
  if (kind == kShortKinds.end()) {
    std::vector<std::string> names;
    for (const ShortKind& known : kShortKinds) names.emplace_back(known.prefix);
    return Error(fmt::format("'{}' names no chardev", first)).candidates(std::move(names));
  }
  RHEA_TRY(Keyval options, Keyval::parse(rest));
  const std::string_view value = std::string_view(first).substr(kind->prefix.size());
  if (kind->prefix == "udp:") {
    RHEA_CHECK(setUdpAddresses(options, value));
  } else if (kind->key == "host") {
    RHEA_CHECK(setHostAndPort(options, value));
    if (kind->prefix == "telnet:") options.set("telnet", "on");
  } else if (!kind->key.empty()) {
    options.set(std::string(kind->key), std::string(value));
  }
  Taker from(std::move(options));
  RHEA_TRY(result.options, readOptions(kind->kind, from));
  result.options.id = std::move(id);
  result.options.mux |= result.withMonitor;
  return result;
}

}  // namespace rhea::chardev
