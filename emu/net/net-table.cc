#include "emu/net/net-table.h"

#include "emu/base/names.h"
#include "emu/net/user-net.h"

namespace rhea::net {

NetTable::~NetTable() = default;

Result<void> NetTable::add(const qapi::Netdev& options) {
  RHEA_CHECK(checkId(options.id));
  for (const auto& netdev : netdevs_) {
    if (netdev->id() == options.id) {
      return Error(fmt::format("there is a network back end '{}' already", options.id)).where("id");
    }
  }
  RHEA_TRY(std::unique_ptr<Netdev> made, makeUserNet(options.id, std::get<qapi::NetdevUserOptions>(options.u)));
  netdevs_.push_back(std::move(made));
  return success();
}

Result<Netdev*> NetTable::find(std::string_view id) const {
  std::vector<std::string> ids;
  for (const auto& netdev : netdevs_) {
    if (netdev->id() == id) return netdev.get();
    ids.push_back(netdev->id());
  }
  return Error(ErrorClass::kDeviceNotFound, fmt::format("there is no network back end '{}'", id))
      .candidates(nearestNames(id, std::span<const std::string>(ids)))
      .hint("-netdev or netdev_add makes one");
}

Result<void> NetTable::remove(std::string_view id) {
  RHEA_TRY(Netdev * netdev, find(id));
  if (!netdev->user().empty()) {
    return Error(fmt::format("network back end '{}' is in use by {}", id, netdev->user()))
        .hint("remove the device first");
  }
  std::erase_if(netdevs_, [netdev](const auto& each) { return each.get() == netdev; });
  return success();
}

}  // namespace rhea::net
