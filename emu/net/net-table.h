// NetTable: the network back ends of a machine, by id. Belongs to the main loop; a service.
#pragma once

#include "emu/net/netdev.h"
#include "qapi/types-net.h"

namespace rhea::net {

class NetTable {
 public:
  NetTable() = default;
  NetTable(const NetTable&) = delete;
  NetTable& operator=(const NetTable&) = delete;
  ~NetTable();

  // netdev_add, -netdev. Errors: the id is taken, what is described cannot be had.
  Result<void> add(const qapi::Netdev& options);
  // Error: there is none of that id, with the nearest; a card uses it.
  Result<void> remove(std::string_view id);
  Result<Netdev*> find(std::string_view id) const;
  // By its own id or by its card's. Error: there is none, with the nearest.
  Result<Netdev*> findByEither(std::string_view id) const;
  // Empty: the only one. Error: there is none, or more than one.
  Result<Netdev*> findOrOnly(std::string_view id) const;
  const std::vector<std::unique_ptr<Netdev>>& all() const { return netdevs_; }

 private:
  std::vector<std::unique_ptr<Netdev>> netdevs_;
};

}  // namespace rhea::net
