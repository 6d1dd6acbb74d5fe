#include "hw/input/keyboard.h"

namespace rhea::hw {

namespace {

constexpr std::uint8_t kAck = 0xfa, kResend = 0xfe, kSelfTestPassed = 0xaa, kEcho = 0xee;

}  // namespace

void Keyboard::setDefaults() {
  set_ = 2;
  expecting_ = 0;
}

void Keyboard::reset() {
  output_.clear();
  setDefaults();
  last_ = 0;
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
      answer({last_});
      break;
    case 0xff:
      reset();
      answer({kAck, kSelfTestPassed});
      break;
    default:
      answer({kResend});
  }
}

bool Keyboard::press(const Key& key, bool down) {
  if (!scanning_) return true;
  if (output_.size() + 3 > kMostQueued) return false;
  if (key.extended) output_.push_back(0xe0);
  if (set_ == 1) {
    output_.push_back(static_cast<std::uint8_t>(translated(key.code) | (down ? 0 : 0x80)));
    return true;
  }
  if (!down) output_.push_back(0xf0);
  output_.push_back(key.code);
  return true;
}

std::uint8_t Keyboard::take() {
  if (output_.empty()) return last_;
  last_ = output_.front();
  output_.pop_front();
  return last_;
}

void Keyboard::save(migrate::StateWriter& to) const {
  const std::vector<std::uint8_t> bytes(output_.begin(), output_.end());
  to.putBytes("output", std::as_bytes(std::span(bytes)));
  to.put("expecting", expecting_);
  to.put("last", last_);
  to.put("set", set_);
  to.put("scanning", scanning_);
}

Result<void> Keyboard::load(migrate::StateReader& from) {
  RHEA_TRY(const std::span<const std::byte> bytes, from.bytes("output", kMostQueued + 8));
  output_.clear();
  for (const std::byte byte : bytes) output_.push_back(std::to_integer<std::uint8_t>(byte));
  RHEA_CHECK(from.get("expecting", expecting_));
  RHEA_CHECK(from.get("last", last_));
  RHEA_CHECK(from.get("set", set_));
  RHEA_CHECK(from.get("scanning", scanning_));
  return from.finish();
}

}  // namespace rhea::hw
