// Netdev: a network back end: takes the frames that a guest sends, and gives it those that come from outside.
//
// Frames are Ethernet without a checksum, at most kMostFrame bytes. A back end runs on a thread of its own, so that
// neither the monitor nor disks wait for a resolver.
#pragma once

#include "emu/base/base.h"
#include "emu/io/task.h"

namespace rhea::net {

constexpr std::size_t kMostFrame = 65536 + 14;

// The guest's card.
class Card {
 public:
  virtual ~Card() = default;
  // A frame from outside; on the back end's thread. Copies what it keeps; may drop it.
  virtual void receive(std::span<const std::byte> frame) = 0;
  // The cable was plugged in or pulled out; on the main loop.
  virtual void linkChanged() {}
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
  // Who uses it, for errors: a device's label; empty: nobody. The card's id, where it has one.
  const std::string& user() const { return user_; }
  const std::string& cardId() const { return cardId_; }
  void use(Card& card, std::string user, std::string cardId) {
    card_ = &card;
    user_ = std::move(user);
    cardId_ = std::move(cardId);
    connect(card_);
  }
  void letGo() {
    connect(nullptr);
    card_ = nullptr;
    user_.clear();
    cardId_.clear();
  }
  // Whether the cable between card and back end is in; the card lets no frame pass without it. Read by any thread.
  bool linkUp() const { return linkUp_.load(std::memory_order_relaxed); }
  void setLink(bool up) {
    if (linkUp_.exchange(up, std::memory_order_relaxed) != up && card_ != nullptr) card_->linkChanged();
  }
  // Forwards ports of the host, described as hostfwd= does, and ends it, described as far as to the host's port.
  // Errors: the text, a port that is taken or was not forwarded; a back end that has none.
  virtual Task<Result<void>> addForward(std::string ports);
  virtual Task<Result<void>> removeForward(std::string port);

 private:
  const std::string id_;
  std::string user_;
  std::string cardId_;
  Card* card_ = nullptr;
  std::atomic<bool> linkUp_{true};
};

}  // namespace rhea::net
