#include "block/driver/sheepdog/uri.h"

#include <charconv>

#include "block/driver/sheepdog/wire.h"

namespace rhea::block::sheepdog {

namespace {

constexpr std::string_view kForm = "sheepdog:[//host[:port]/]vdi[#snapid|#tag]";
constexpr std::string_view kUnixForm = "sheepdog+unix:///vdi?socket=PATH[#snapid|#tag]";

Error wrong(std::string_view text, std::string_view what, std::string_view form = kForm) {
  return Error(fmt::format("'{}': {}", text, what)).expected(std::string(form));
}

int hexDigit(char letter) {
  if (letter >= '0' && letter <= '9') return letter - '0';
  const char lower = static_cast<char>(letter | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Empty where an escape is broken or hides a zero byte.
std::optional<std::string> unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      plain += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hexDigit(text[i + 1]);
    const int low = hexDigit(text[i + 2]);
    if (high < 0 || low < 0 || high + low == 0) return std::nullopt;
    plain += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return plain;
}

std::string escape(std::string_view text) {
  std::string escaped;
  for (const char letter : text) {
    const bool plain = std::isalnum(static_cast<unsigned char>(letter)) != 0 ||
                       std::string_view("-._~:@!$&'()*+,;=").find(letter) != std::string_view::npos;
    if (plain) {
      escaped += letter;
    } else {
      escaped += fmt::format("%{:02X}", static_cast<unsigned char>(letter));
    }
  }
  return escaped;
}

Result<Address> parseAuthority(std::string_view text, std::string_view authority) {
  Address address;
  address.host = kDefaultHost;
  address.port = kDefaultPort;
  if (authority.empty()) return address;
  std::string_view host = authority;
  std::string_view port;
  if (authority.front() == '[') {
    const std::size_t end = authority.find(']');
    if (end == std::string_view::npos) return wrong(text, "the address in brackets has no end");
    host = authority.substr(1, end - 1);
    port = authority.substr(end + 1);
    if (!port.empty() && port.front() != ':') return wrong(text, "a colon follows the address in brackets");
  } else if (const std::size_t colon = authority.find(':'); colon != std::string_view::npos) {
    host = authority.substr(0, colon);
    port = authority.substr(colon);
  }
  if (!port.empty()) port.remove_prefix(1);
  const std::optional<std::string> plain = unescape(host);
  if (!plain) return wrong(text, "an escape of the host is broken");
  if (!plain->empty()) address.host = *plain;
  if (port.empty()) return address;
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc() || end != port.data() + port.size() || number == 0 || number > 65535) {
    return wrong(text, fmt::format("'{}' is no port", port));
  }
  address.port = std::to_string(number);
  return address;
}

Result<Address> parseSocket(std::string_view text, std::string_view query) {
  constexpr std::string_view kKey = "socket=";
  if (!query.starts_with(kKey) || query.find('&') != std::string_view::npos) {
    return wrong(text, "the socket's path is missing", kUnixForm);
  }
  std::optional<std::string> path = unescape(query.substr(kKey.size()));
  if (!path || path->empty()) return wrong(text, "the socket's path is missing", kUnixForm);
  Address address;
  address.path = *std::move(path);
  return address;
}

Result<void> parseFragment(std::string_view text, std::string_view fragment, Uri& uri) {
  std::optional<std::string> which = unescape(fragment);
  if (!which || which->empty() || which->size() >= kNameBytes) {
    return wrong(text, "what stands behind # is no snapshot");
  }
  const bool digits = std::all_of(which->begin(), which->end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits) {
    uri.tag = *std::move(which);
    return success();
  }
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(which->data(), which->data() + which->size(), number);
  if (error != std::errc() || number == 0) return wrong(text, "no snapshot has that number");
  uri.snapId = number;
  return success();
}

}  // namespace

bool isUriScheme(std::string_view scheme) {
  return scheme == "sheepdog" || scheme == "sheepdog+tcp" || scheme == "sheepdog+unix";
}

Result<Uri> parseUri(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view scheme = text.substr(0, colon);
  if (colon == std::string_view::npos || !isUriScheme(scheme)) return wrong(text, "it is no name of a Sheepdog disk");
  const bool isUnix = scheme == "sheepdog+unix";
  std::string_view rest = text.substr(colon + 1);
  Uri uri;
  if (const std::size_t hash = rest.find('#'); hash != std::string_view::npos) {
    RHEA_CHECK(parseFragment(text, rest.substr(hash + 1), uri));
    rest = rest.substr(0, hash);
  }
  std::string_view query;
  if (const std::size_t mark = rest.find('?'); mark != std::string_view::npos) {
    query = rest.substr(mark + 1);
    rest = rest.substr(0, mark);
    if (!isUnix) return wrong(text, "nothing but a socket's path can be asked for behind ?", kUnixForm);
  }
  if (rest.starts_with("//")) {
    rest.remove_prefix(2);
    const std::size_t slash = rest.find('/');
    if (slash == std::string_view::npos) return wrong(text, "the VDI's name is missing");
    const std::string_view authority = rest.substr(0, slash);
    rest.remove_prefix(slash + 1);
    if (isUnix && !authority.empty()) return wrong(text, "a socket of this host has no host name", kUnixForm);
    if (!isUnix) {
      RHEA_TRY(uri.server, parseAuthority(text, authority));
    }
  }
  if (isUnix) {
    RHEA_TRY(uri.server, parseSocket(text, query));
  }
  std::optional<std::string> vdi = unescape(rest);
  if (!vdi || vdi->empty()) return wrong(text, "the VDI's name is missing or broken", isUnix ? kUnixForm : kForm);
  if (vdi->find('/') != std::string::npos) return wrong(text, "a VDI's name has no slash");
  if (vdi->size() >= kNameBytes) return wrong(text, "the VDI's name is longer than 255 bytes");
  uri.vdi = *std::move(vdi);
  return uri;
}

std::vector<std::pair<std::string, std::string>> optionsOf(const Uri& uri) {
  std::vector<std::pair<std::string, std::string>> options;
  Address server;
  server.host = kDefaultHost;
  server.port = kDefaultPort;
  server = uri.server.value_or(server);
  if (server.isUnix()) {
    options.emplace_back("server.type", "unix");
    options.emplace_back("server.path", server.path);
  } else {
    options.emplace_back("server.type", "inet");
    options.emplace_back("server.host", server.host);
    options.emplace_back("server.port", server.port);
  }
  options.emplace_back("vdi", uri.vdi);
  if (uri.snapId) options.emplace_back("snap-id", std::to_string(*uri.snapId));
  if (uri.tag) options.emplace_back("tag", *uri.tag);
  return options;
}

std::string uriOf(const Address& server, std::string_view vdi, std::uint32_t snapId, std::string_view tag) {
  std::string which;
  if (!tag.empty()) {
    which = "#" + escape(tag);
  } else if (snapId != 0) {
    which = fmt::format("#{}", snapId);
  }
  if (server.isUnix()) return fmt::format("sheepdog+unix:///{}?socket={}{}", escape(vdi), server.path, which);
  return fmt::format("sheepdog://{}/{}{}", server.text(), escape(vdi), which);
}

}  // namespace rhea::block::sheepdog
