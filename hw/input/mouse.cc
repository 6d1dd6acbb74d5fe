#include "hw/input/mouse.h"

#include "emu/migrate/fields.h"

namespace rhea::hw {

namespace {

constexpr std::uint8_t kAck = Ps2Output::kAck;
constexpr std::uint32_t kWheelRates = 200U << 16 | 100U << 8 | 80U;
constexpr std::int32_t kFarthest = 255, kMostWheel = 7, kMostWaiting = 1 << 16;

}  // namespace

void Mouse::setDefaults() {
  rate_ = 100;
  resolution_ = 2;
  streaming_ = true;
  reporting_ = doubled_ = false;
  dx_ = dy_ = dz_ = 0;
}

void Mouse::reset() {
  output_.clear();
  setDefaults();
  expecting_ = 0;
  rates_ = 0;
  hasWheel_ = false;
}

void Mouse::setRate(std::uint8_t rate) {
  rate_ = rate;
  rates_ = (rates_ << 8 | rate) & 0xffffff;
  if (rates_ == kWheelRates) hasWheel_ = true;
}

void Mouse::argument(std::uint8_t before, std::uint8_t value) {
  if (before == 0xf3) setRate(value);
  if (before == 0xe8) resolution_ = value & 3;
  answer({kAck});
}

void Mouse::command(std::uint8_t byte) {
  if (const std::uint8_t before = std::exchange(expecting_, std::uint8_t{0}); before != 0)
    return argument(before, byte);
  switch (byte) {
    case 0xe6:
    case 0xe7:  // scaling 1:1, 2:1
      doubled_ = byte == 0xe7;
      answer({kAck});
      break;
    case 0xe8:
    case 0xf3:
      expecting_ = byte;
      answer({kAck});
      break;
    case 0xe9: {
      const auto pressed = static_cast<std::uint8_t>((buttons_ & kLeft ? 4 : 0) | (buttons_ & kMiddle ? 2 : 0) |
                                                     (buttons_ & kRight ? 1 : 0));
      answer({kAck,
              static_cast<std::uint8_t>((streaming_ ? 0 : 0x40) | (reporting_ ? 0x20 : 0) | (doubled_ ? 0x10 : 0) |
                                        pressed),
              resolution_, rate_});
      break;
    }
    case 0xea:
    case 0xf0:  // streams by itself, or is asked
      streaming_ = byte == 0xea;
      answer({kAck});
      break;
    case 0xeb:
      answer({kAck});
      putPacket();
      break;
    case 0xf2:
      answer({kAck, static_cast<std::uint8_t>(hasWheel_ ? 3 : 0)});
      break;
    case 0xf4:
    case 0xf5:
      reporting_ = byte == 0xf4;
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
      answer({kAck, Ps2Output::kSelfTestPassed, 0});
      break;
    default:
      answer({Ps2Output::kResend});
  }
}

void Mouse::move(int dx, int dy, int dz) {
  const auto add = [](std::int32_t& sum, int by) {
    sum = static_cast<std::int32_t>(std::clamp<std::int64_t>(std::int64_t{sum} + by, -kMostWaiting, kMostWaiting));
  };
  add(dx_, dx);
  add(dy_, -dy);  // upwards on the wire
  if (hasWheel_) add(dz_, dz);
  report();
}

void Mouse::press(std::uint8_t buttons) {
  buttons_ = buttons & (kLeft | kRight | kMiddle);
  report();
}

// As many packets as there is room for; the rest when the guest has fetched some.
void Mouse::report() {
  if (!reporting_ || !streaming_) return;
  const auto news = [this] { return dx_ != 0 || dy_ != 0 || (hasWheel_ && dz_ != 0) || buttons_ != toldButtons_; };
  while (news() && output_.hasRoomFor(4)) putPacket();
}

void Mouse::putPacket() {
  const auto part = [](std::int32_t& sum, std::int32_t most) {
    const std::int32_t now = std::clamp(sum, -most, most);
    sum -= now;
    return now;
  };
  const std::int32_t x = part(dx_, kFarthest), y = part(dy_, kFarthest);
  answer({static_cast<std::uint8_t>(0x08 | buttons_ | (x < 0 ? 0x10 : 0) | (y < 0 ? 0x20 : 0)),
          static_cast<std::uint8_t>(x), static_cast<std::uint8_t>(y)});
  if (hasWheel_) answer({static_cast<std::uint8_t>(part(dz_, kMostWheel))});
  toldButtons_ = buttons_;
}

std::uint8_t Mouse::take() {
  const bool hadByte = !output_.empty();
  const std::uint8_t byte = output_.take();
  if (hadByte && output_.empty()) report();
  return byte;
}

struct MouseState {
  static constexpr auto kFields = migrate::fields(
      migrate::Field("expecting", &Mouse::expecting_), migrate::Field("rate", &Mouse::rate_),
      migrate::Field("resolution", &Mouse::resolution_), migrate::Field("rates", &Mouse::rates_),
      migrate::Field("has-wheel", &Mouse::hasWheel_), migrate::Field("streaming", &Mouse::streaming_),
      migrate::Field("reporting", &Mouse::reporting_), migrate::Field("doubled", &Mouse::doubled_),
      migrate::Field("buttons", &Mouse::buttons_), migrate::Field("told-buttons", &Mouse::toldButtons_),
      migrate::Field("dx", &Mouse::dx_), migrate::Field("dy", &Mouse::dy_), migrate::Field("dz", &Mouse::dz_));
};

void Mouse::save(migrate::StateWriter& to) const {
  output_.save(to);
  migrate::saveFields(to, *this, MouseState::kFields);
}

Result<void> Mouse::load(migrate::StateReader& from) {
  RHEA_CHECK(output_.load(from));
  RHEA_CHECK(migrate::loadFields(from, *this, MouseState::kFields));
  return from.finish();
}

}  // namespace rhea::hw
