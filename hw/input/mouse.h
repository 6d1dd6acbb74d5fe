// Mouse: a PS/2 mouse with three buttons and a wheel: commands in, packets out. Belongs to its controller, which guards
// it. Source: IBM PS/2 technical reference; the wheel as Microsoft's IntelliMouse has it.
#pragma once

#include "hw/input/ps2-output.h"

namespace rhea::hw {

class Mouse {
 public:
  enum Button : std::uint8_t { kLeft = 1, kRight = 2, kMiddle = 4 };

  void reset();
  // A byte from the host side.
  void command(std::uint8_t byte);
  // To the right, downwards, the wheel towards the user. What the guest does not fetch in time is added up.
  void move(int dx, int dy, int dz);
  void press(std::uint8_t buttons);
  bool hasByte() const { return !output_.empty(); }
  std::uint8_t take();

  void save(migrate::StateWriter& to) const;
  Result<void> load(migrate::StateReader& from);

 private:
  void answer(std::initializer_list<std::uint8_t> bytes) { output_.put(bytes); }
  void setDefaults();
  void setRate(std::uint8_t rate);
  friend struct MouseState;
  void argument(std::uint8_t before, std::uint8_t value);
  void report();
  void putPacket();

  Ps2Output output_;
  std::uint8_t expecting_ = 0;  // the command whose argument comes next, 0: none
  std::uint8_t rate_ = 100, resolution_ = 2;
  std::uint32_t rates_ = 0;  // the last three, a byte each: a sequence turns the wheel on
  bool hasWheel_ = false, streaming_ = true, reporting_ = false, doubled_ = false;
  std::uint8_t buttons_ = 0, toldButtons_ = 0;
  std::int32_t dx_ = 0, dy_ = 0, dz_ = 0;  // not told yet
};

}  // namespace rhea::hw
