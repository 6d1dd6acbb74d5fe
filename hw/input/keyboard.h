// Keyboard: a PS/2 keyboard: commands in, scan codes of set 2 out. Belongs to its controller, which guards it.
#pragma once

#include <deque>

#include "emu/migrate/state.h"
#include "hw/input/keys.h"

namespace rhea::hw {

class Keyboard {
 public:
  static constexpr std::size_t kMostQueued = 64;

  void reset();
  // A byte from the host side.
  void command(std::uint8_t byte);
  // A key goes down or up. False: the queue is full, and the key is lost.
  bool press(const Key& key, bool down);
  bool hasByte() const { return !output_.empty(); }
  std::uint8_t take();

  void save(migrate::StateWriter& to) const;
  Result<void> load(migrate::StateReader& from);

 private:
  void answer(std::initializer_list<std::uint8_t> bytes) { output_.insert(output_.end(), bytes); }
  void setDefaults();

  std::deque<std::uint8_t> output_;
  std::uint8_t expecting_ = 0;  // the command whose argument comes next, 0: none
  std::uint8_t last_ = 0;       // sent, for resend
  std::uint8_t set_ = 2;
  bool scanning_ = true;
};

}  // namespace rhea::hw
