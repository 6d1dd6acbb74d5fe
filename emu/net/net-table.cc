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

Result<Netdev*> NetTable::findByEither(std::string_view id) const {
  std::vector<std::string> ids;
  for (const auto& netdev : netdevs_) {
    if (netdev->id() == id || netdev->cardId() == id) return netdev.get();
    ids.push_back(netdev->id());
    if (!netdev->cardId().empty()) ids.push_back(netdev->cardId());
  }
  return Error(ErrorClass::kDeviceNotFound,
               fmt::format("there is neither a network back end nor a card '{}' on one", id))
      .candidates(nearestNames(id, std::span<const std::string>(ids)));
}

Result<Netdev*> NetTable::findOrOnly(std::string_view id) const {
  if (!id.empty()) return find(id);
  if (netdevs_.size() == 1) return netdevs_.front().get();
  return Error(netdevs_.empty() ? "there is no network back end" : "there are several network back ends: name one");
}

Task<Result<void>> Netdev::addForward(std::string) {
  co_return Error(fmt::format("network back end '{}' of type {} forwards no ports", id_, type()));
}

Task<Result<void>> Netdev::removeForward(std::string) {
  co_return Error(fmt::format("network back end '{}' of type {} forwards no ports", id_, type()));
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
