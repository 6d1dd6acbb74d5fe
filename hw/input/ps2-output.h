// Ps2Output: what a PS/2 device has to send: a queue of bytes that the host side fetches one by one, and the last one
// sent, for a request to send it again. Belongs to its device.
#pragma once

#include <deque>

#include "emu/migrate/state.h"

namespace rhea::hw {

class Ps2Output {
 public:
  static constexpr std::size_t kMost = 64;
  static constexpr std::uint8_t kAck = 0xfa, kResend = 0xfe, kSelfTestPassed = 0xaa;

  void clear() {
    bytes_.clear();
    last_ = 0;
  }
  void put(std::uint8_t byte) { bytes_.push_back(byte); }
  void put(std::initializer_list<std::uint8_t> bytes) { bytes_.insert(bytes_.end(), bytes); }
  // Answers to commands always find room; what the user does may not.
  bool hasRoomFor(std::size_t count) const { return bytes_.size() + count <= kMost; }
  bool empty() const { return bytes_.empty(); }
  // The next one; the last one again where there is none.
  std::uint8_t take();
  std::uint8_t last() const { return last_; }

  void save(migrate::StateWriter& to) const;
  Result<void> load(migrate::StateReader& from);

 private:
  std::deque<std::uint8_t> bytes_;
  std::uint8_t last_ = 0;
};

}  // namespace rhea::hw
