#include "hw/input/i8042.h"

namespace rhea::hw {

namespace {

constexpr std::uint64_t kDataPort = 0x60, kPort92 = 0x92;
// Command byte.
constexpr std::uint8_t kIrqEnable = 0x01, kSystem = 0x04, kKeyboardOff = 0x10, kAuxOff = 0x20, kTranslate = 0x40;
// Status.
constexpr std::uint8_t kOutputFull = 0x01, kSystemFlag = 0x04, kWasCommand = 0x08, kUnlocked = 0x10;
constexpr std::uint8_t kPowerOnConfig = kIrqEnable | kSystem | kAuxOff | kTranslate;
constexpr std::uint8_t kOutputPortReset = 0x01, kOutputPortA20 = 0x02;

}  // namespace

I8042::I8042(const object::Class& type, Board& board, IrqLine irq)
    : Device(type),
      board_(board),
      irq_(irq),
      config_(kPowerOnConfig),
      outputPort_(kOutputPortReset | kOutputPortA20),
      port92_(2) {}

void I8042::updateIrq() { irq_.set(full_ && !fromController_ && (config_ & kIrqEnable) != 0); }

void I8042::put(std::uint8_t value) {
  output_ = value;
  full_ = fromController_ = true;
  updateIrq();
}

void I8042::fill() {
  while (!full_ && (config_ & kKeyboardOff) == 0 && keyboard_.hasByte()) {
    std::uint8_t byte = keyboard_.take();
    if ((config_ & kTranslate) != 0) {
      if (byte == 0xf0) {
        prefix_ = true;
        continue;
      }
      // Answers and prefixes come through as they are.
      if (byte < 0x90) byte = static_cast<std::uint8_t>(translated(byte) | (prefix_ ? 0x80 : 0));
      prefix_ = false;
    }
    output_ = byte;
    full_ = true;
    fromController_ = false;
  }
  updateIrq();
}

bool I8042::press(const Key& key, bool down) {
  const std::scoped_lock lock(mutex_);
  const bool taken = keyboard_.press(key, down);
  fill();
  return taken;
}

std::uint64_t I8042::read(std::uint64_t offset, unsigned) {
  const std::scoped_lock lock(mutex_);
  if (offset == kPort92) return port92_;
  if (offset != kDataPort) {
    return (full_ ? kOutputFull : 0) | ((config_ & kSystem) != 0 ? kSystemFlag : 0) |
           (lastWasCommand_ ? kWasCommand : 0) | kUnlocked;
  }
  const std::uint8_t value = output_;
  full_ = fromController_ = false;
  updateIrq();  // low in between, so that the next byte is an edge
  fill();
  return value;
}

void I8042::write(std::uint64_t offset, std::uint64_t value, unsigned) {
  const auto byte = static_cast<std::uint8_t>(value);
  bool reset = false;
  {
    const std::scoped_lock lock(mutex_);
    if (offset == kPort92) {
      reset = (byte & 1) != 0;
      port92_ = byte & 2;
    } else if (offset == kDataPort) {
      lastWasCommand_ = false;
      const bool output = expecting_ == 0xd1;
      writeData(byte);
      reset = output && (byte & kOutputPortReset) == 0;
    } else {
      lastWasCommand_ = true;
      reset = writeCommand(byte);
    }
  }
  if (reset) board_.wish(Board::Wish::kReset, offset == kPort92 ? "port 0x92" : "the keyboard controller");
}

void I8042::writeData(std::uint8_t value) {
  switch (std::exchange(expecting_, std::uint8_t{0})) {
    case 0:
      config_ = static_cast<std::uint8_t>(config_ & ~kKeyboardOff);
      keyboard_.command(value);
      break;
    case 0x60:
      config_ = value;
      break;
    case 0xd1:
      outputPort_ = value;
      break;
    case 0xd2:
      output_ = value;
      full_ = true;
      fromController_ = false;
      break;
    case 0xd3:
      put(value);  // not as from the auxiliary port, which tells the guest that it is not there
      break;
    default:
      break;  // 0xd4: nobody is at the auxiliary port
  }
  fill();
}

bool I8042::writeCommand(std::uint8_t value) {
  switch (value) {
    case 0x20:
      put(config_);
      break;
    case 0x60:
    case 0xd1:
    case 0xd2:
    case 0xd3:
    case 0xd4:
      expecting_ = value;
      break;
    case 0xa7:
      config_ |= kAuxOff;
      break;
    case 0xa8:
      config_ = static_cast<std::uint8_t>(config_ & ~kAuxOff);
      break;
    case 0xa9:
      put(2);  // the auxiliary port's clock does not answer: nothing is plugged in
      break;
    case 0xaa:
      config_ = kPowerOnConfig;
      put(0x55);
      break;
    case 0xab:
      put(0);
      break;
    case 0xad:
      config_ |= kKeyboardOff;
      break;
    case 0xae:
      config_ = static_cast<std::uint8_t>(config_ & ~kKeyboardOff);
      fill();
      break;
    case 0xc0:
      put(0x80);
      break;
    case 0xd0:
      put(outputPort_);
      break;
    default:
      // 0xf0 to 0xff pulse output lines whose bits are clear; bit 0 is reset.
      return value >= 0xf0 && (value & 1) == 0;
  }
  return false;
}

Task<void> I8042::reset() {
  const std::scoped_lock lock(mutex_);
  keyboard_.reset();
  config_ = kPowerOnConfig;
  expecting_ = output_ = 0;
  full_ = fromController_ = lastWasCommand_ = prefix_ = false;
  outputPort_ = kOutputPortReset | kOutputPortA20;
  port92_ = 2;
  updateIrq();
  co_return;
}

void I8042::save(migrate::StateWriter& to) const {
  const std::scoped_lock lock(mutex_);
  migrate::StateWriter keyboard;
  keyboard_.save(keyboard);
  to.putSection("keyboard", keyboard);
  to.put("config", config_);
  to.put("expecting", expecting_);
  to.put("output", output_);
  to.put("full", full_);
  to.put("from-controller", fromController_);
  to.put("last-was-command", lastWasCommand_);
  to.put("prefix", prefix_);
  to.put("output-port", outputPort_);
  to.put("port92", port92_);
}

Result<void> I8042::load(migrate::StateReader& from) {
  const std::scoped_lock lock(mutex_);
  RHEA_TRY(migrate::StateReader keyboard, from.section("keyboard"));
  RHEA_CHECK(keyboard_.load(keyboard));
  RHEA_CHECK(from.get("config", config_));
  RHEA_CHECK(from.get("expecting", expecting_));
  RHEA_CHECK(from.get("output", output_));
  RHEA_CHECK(from.get("full", full_));
  RHEA_CHECK(from.get("from-controller", fromController_));
  RHEA_CHECK(from.get("last-was-command", lastWasCommand_));
  RHEA_CHECK(from.get("prefix", prefix_));
  RHEA_CHECK(from.get("output-port", outputPort_));
  RHEA_CHECK(from.get("port92", port92_));
  updateIrq();
  return from.finish();
}

}  // namespace rhea::hw
