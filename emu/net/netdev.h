// Netdev: a network back end: takes the frames that a guest sends, and gives it those that come from outside.
//
// Frames are Ethernet without a checksum, at most kMostFrame bytes. A back end runs on a thread of its own, so that
// neither the monitor nor disks wait for a resolver.
#pragma once

#include "emu/base/base.h"

namespace rhea::net {

constexpr std::size_t kMostFrame = 65536 + 14;

// The guest's card.
class Card {
 public:
  virtual ~Card() = default;
  // A frame from outside; on the back end's thread. Copies what it keeps; may drop it.
  virtual void receive(std::span<const std::byte> frame) = 0;
};

class Netdev {
 public:
  explicit Netdev(std::string id) : id_(std::move(id)) {}
  virtual ~Netdev() = default;
  const std::string& id() const { return id_; }
  virtual std::string_view type() const = 0;
  // One line for info network: "net=10.0.2.0/24, restrict=off".
  virtual std::string describe() const = 0;

  // A frame from the guest; any thread. Frames beyond what the back end can queue are dropped, as on a wire.
  virtual void send(std::vector<std::byte> frame) = 0;

  // --- the main loop
  // The card that frames go to; null: nowhere. When it returns, the card before is called no more.
  virtual void connect(Card* card) = 0;
  // Who uses it, for errors: a device's label; empty: nobody.
  const std::string& user() const { return user_; }
  void setUser(std::string user) { user_ = std::move(user); }

 private:
  const std::string id_;
  std::string user_;
};

}  // namespace rhea::net
