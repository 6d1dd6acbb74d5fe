#include "hw/input/keyboard.h"

namespace rhea::hw {

namespace {

constexpr std::uint8_t kAck = Ps2Output::kAck, kEcho = 0xee;

}  // namespace

void Keyboard::setDefaults() {
  set_ = 2;
  expecting_ = 0;
}

void Keyboard::reset() {
  output_.clear();
  setDefaults();
  scanning_ = true;
}

void Keyboard::command(std::uint8_t byte) {
  if (const std::uint8_t before = std::exchange(expecting_, std::uint8_t{0}); before != 0 && byte < 0xe0) {
    answer({kAck});
    if (before == 0xf0) {
      if (byte == 0)
        answer({set_});
      else if (byte <= 3)
        set_ = byte;
    }
    return;
  }
  switch (byte) {
    case 0xed:  // lamps
    case 0xf0:  // scan code set
    case 0xf3:  // repetition, which whoever holds the key down does
      expecting_ = byte;
      answer({kAck});
      break;
    case 0xee:
      answer({kEcho});
      break;
    case 0xf2:
      answer({kAck, 0xab, 0x83});
      break;
    case 0xf4:
      scanning_ = true;
      answer({kAck});
      break;
    case 0xf5:
      setDefaults();
      scanning_ = false;
      answer({kAck});
      break;
    case 0xf6:
      setDefaults();
      answer({kAck});
      break;
    case 0xfe:
      answer({output_.last()});
      break;
    case 0xff:
      reset();
      answer({kAck, Ps2Output::kSelfTestPassed});
      break;
    default:
      answer({Ps2Output::kResend});
  }
}

bool Keyboard::press(const Key& key, bool down) {
  if (!scanning_) return true;
  if (!output_.hasRoomFor(3)) return false;
  if (key.extended) output_.put(0xe0);
  if (set_ == 1) {
    output_.put(static_cast<std::uint8_t>(translated(key.code) | (down ? 0 : 0x80)));
    return true;
  }
  if (!down) output_.put(0xf0);
  output_.put(key.code);
  return true;
}

void Keyboard::save(migrate::StateWriter& to) const {
  output_.save(to);
  to.put("expecting", expecting_);
  to.put("set", set_);
  to.put("scanning", scanning_);
}

Result<void> Keyboard::load(migrate::StateReader& from) {
  RHEA_CHECK(output_.load(from));
  RHEA_CHECK(from.get("expecting", expecting_));
  RHEA_CHECK(from.get("set", set_));
  RHEA_CHECK(from.get("scanning", scanning_));
  return from.finish();
}

}  // namespace rhea::hw
