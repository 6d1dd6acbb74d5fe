#include "block/driver/sheepdog/settings.h"

#include "block/driver/sheepdog/desk.h"
#include "qapi/types-block-options.h"

namespace rhea::block::sheepdog {

namespace {

constexpr std::uint32_t kMostDepth = 4096;

Result<Address> addressOf(const qapi::SocketAddress& given) {
  Address address;
  if (const auto* inet = std::get_if<qapi::SocketAddressInet>(&given.u)) {
    address.host = inet->host.empty() ? std::string(kDefaultHost) : inet->host;
    address.port = inet->port.empty() ? std::string(kDefaultPort) : inet->port;
    return address;
  }
  if (const auto* local = std::get_if<qapi::SocketAddressUnix>(&given.u)) {
    address.path = local->path;
    address.abstract = local->abstract.value_or(false);
    if (address.path.empty()) return Error("the socket's path is empty").where("server.path");
    return address;
  }
  return Error("a lost connection is made again, so an open socket is not enough")
      .where("server.type")
      .expected("inet or unix");
}

}  // namespace

Result<Settings> readSettings(const DriverOptions& options) {
  const auto& given = options.as<qapi::BlockdevOptionsSheepdog>();
  Settings settings;
  settings.vdi = given.vdi;
  if (settings.vdi.empty() || settings.vdi.size() >= kNameBytes || settings.vdi.find('\0') != std::string::npos) {
    return Error(fmt::format("'{}' cannot be a VDI's name", settings.vdi)).where("vdi").expected("1 to 255 bytes");
  }
  if (given.snapId && given.tag) {
    return Error("snap-id and tag both say which snapshot").where("tag").expected("one of them");
  }
  if (given.snapId) {
    if (*given.snapId == 0) return Error("no snapshot has number 0").where("snap-id").expected("1 or more");
    settings.snapId = *given.snapId;
  }
  if (given.tag) {
    if (given.tag->empty() || given.tag->size() >= kNameBytes) {
      return Error(fmt::format("'{}' cannot be a snapshot's tag", *given.tag)).where("tag").expected("1 to 255 bytes");
    }
    settings.tag = *given.tag;
  }
  settings.link.about = VdiName(settings.vdi, settings.snapId, settings.tag).text();
  RHEA_TRY(Address first, addressOf(given.server));
  settings.link.servers.push_back(std::move(first));
  if (given.fallbackServers) {
    for (const qapi::SocketAddress& each : *given.fallbackServers) {
      RHEA_TRY(Address address, addressOf(each));
      settings.link.servers.push_back(std::move(address));
    }
  }
  settings.locking = given.locking.value_or(qapi::OnOffAuto::auto_) != qapi::OnOffAuto::off;
  if (const std::uint32_t seconds = given.reconnectTimeout.value_or(0); seconds != 0) {
    settings.link.patience = std::chrono::seconds(seconds);
  }
  settings.link.depth = given.queueDepth.value_or(64);
  if (settings.link.depth == 0 || settings.link.depth > kMostDepth) {
    return Error(fmt::format("a queue of {} requests cannot be", settings.link.depth))
        .where("queue-depth")
        .expected(fmt::format("1 to {}", kMostDepth));
  }
  return settings;
}

}  // namespace rhea::block::sheepdog
