// Keyboard: a PS/2 keyboard: commands in, scan codes of set 2 out. Belongs to its controller, which guards it.
#pragma once

#include "hw/input/keys.h"
#include "hw/input/ps2-output.h"

namespace rhea::hw {

class Keyboard {
 public:
  void reset();
  // A byte from the host side.
  void command(std::uint8_t byte);
  // A key goes down or up. False: the queue is full, and the key is lost.
  bool press(const Key& key, bool down);
  bool hasByte() const { return !output_.empty(); }
  std::uint8_t take() { return output_.take(); }

  void save(migrate::StateWriter& to) const;
  Result<void> load(migrate::StateReader& from);

 private:
  void answer(std::initializer_list<std::uint8_t> bytes) { output_.put(bytes); }
  void setDefaults();

  Ps2Output output_;
  std::uint8_t expecting_ = 0;  // the command whose argument comes next, 0: none
  std::uint8_t set_ = 2;
  bool scanning_ = true;
};

}  // namespace rhea::hw
