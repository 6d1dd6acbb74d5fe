#include "hw/input/i8042.h"

#include "emu/migrate/fields.h"

namespace rhea::hw {

namespace {

constexpr std::uint64_t kDataPort = 0x60, kPort92 = 0x92;
// Command byte.
constexpr std::uint8_t kIrqEnable = 0x01, kMouseIrqEnable = 0x02, kSystem = 0x04, kKeyboardOff = 0x10, kAuxOff = 0x20,
                       kTranslate = 0x40;
// Status.
constexpr std::uint8_t kOutputFull = 0x01, kSystemFlag = 0x04, kWasCommand = 0x08, kUnlocked = 0x10, kFromMouse = 0x20;
constexpr std::uint8_t kPowerOnConfig = kIrqEnable | kSystem | kAuxOff | kTranslate;
constexpr std::uint8_t kOutputPortReset = 0x01, kOutputPortA20 = 0x02;

}  // namespace

I8042::I8042(const object::Class& type, Board& board, IrqLine irq, IrqLine mouseIrq)
    : Device(type),
      board_(board),
      irq_(irq),
      mouseIrq_(mouseIrq),
      config_(kPowerOnConfig),
      outputPort_(kOutputPortReset | kOutputPortA20),
      port92_(2) {}

void I8042::updateIrq() {
  irq_.set(full_ && source_ == From::kKeyboard && (config_ & kIrqEnable) != 0);
  mouseIrq_.set(full_ && source_ == From::kMouse && (config_ & kMouseIrqEnable) != 0);
}

void I8042::put(std::uint8_t value, From source) {
  output_ = value;
  full_ = true;
  source_ = source;
  updateIrq();
}

// False: the byte was half of one, in the translation.
bool I8042::takeKeyboard() {
  std::uint8_t byte = keyboard_.take();
  if ((config_ & kTranslate) != 0) {
    if (byte == 0xf0) {
      prefix_ = true;
      return false;
    }
    // Answers and prefixes come through as they are.
    if (byte < 0x90) byte = static_cast<std::uint8_t>(translated(byte) | (prefix_ ? 0x80 : 0));
    prefix_ = false;
  }
  put(byte, From::kKeyboard);
  return true;
}

void I8042::fill() {
  while (!full_ && (config_ & kKeyboardOff) == 0 && keyboard_.hasByte()) {
    if (takeKeyboard()) break;
  }
  if (!full_ && (config_ & kAuxOff) == 0 && mouse_.hasByte()) put(mouse_.take(), From::kMouse);
  updateIrq();
}

bool I8042::press(const Key& key, bool down) {
  const std::scoped_lock lock(mutex_);
  const bool taken = keyboard_.press(key, down);
  fill();
  return taken;
}

void I8042::moveMouse(int dx, int dy, int dz) {
  const std::scoped_lock lock(mutex_);
  mouse_.move(dx, dy, dz);
  fill();
}

void I8042::pressMouse(std::uint8_t buttons) {
  const std::scoped_lock lock(mutex_);
  mouse_.press(buttons);
  fill();
}

std::uint64_t I8042::read(std::uint64_t offset, unsigned) {
  const std::scoped_lock lock(mutex_);
  if (offset == kPort92) return port92_;
  if (offset != kDataPort) {
    return (full_ ? kOutputFull : 0) | ((config_ & kSystem) != 0 ? kSystemFlag : 0) |
           (lastWasCommand_ ? kWasCommand : 0) | kUnlocked | (full_ && source_ == From::kMouse ? kFromMouse : 0);
  }
  const std::uint8_t value = output_;
  full_ = false;
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
      setGate((byte & 2) != 0);
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
  tellA20();
  if (reset) board_.wish(Board::Wish::kReset, offset == kPort92 ? "port 0x92" : "the keyboard controller");
}

// One gate that both ports show and switch, as chip sets have it.
void I8042::setGate(bool open) {
  outputPort_ = static_cast<std::uint8_t>(open ? outputPort_ | kOutputPortA20 : outputPort_ & ~kOutputPortA20);
  port92_ = open ? 2 : 0;
}

void I8042::tellA20() {
  if (!a20Changed_) return;
  bool open = false;
  {
    const std::scoped_lock lock(mutex_);
    open = port92_ != 0;
  }
  a20Changed_(open);
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
      setGate((value & kOutputPortA20) != 0);
      break;
    case 0xd2:
      put(value, From::kKeyboard);
      break;
    case 0xd3:
      put(value, From::kMouse);
      break;
    default:  // 0xd4
      config_ = static_cast<std::uint8_t>(config_ & ~kAuxOff);
      mouse_.command(value);
      break;
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
      fill();
      break;
    case 0xa9:
      put(0);
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
    case 0xdd:
    case 0xdf:
      setGate(value == 0xdf);
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
  {
    const std::scoped_lock lock(mutex_);
    keyboard_.reset();
    mouse_.reset();
    config_ = kPowerOnConfig;
    expecting_ = output_ = 0;
    full_ = lastWasCommand_ = prefix_ = false;
    source_ = From::kController;
    outputPort_ = kOutputPortReset | kOutputPortA20;
    port92_ = 2;
    updateIrq();
  }
  tellA20();
  co_return;
}

struct I8042State {
  static constexpr auto kFields = migrate::fields(
      migrate::Field("config", &I8042::config_), migrate::Field("expecting", &I8042::expecting_),
      migrate::Field("output", &I8042::output_), migrate::Field("full", &I8042::full_),
      migrate::Field("source", &I8042::source_), migrate::Field("last-was-command", &I8042::lastWasCommand_),
      migrate::Field("prefix", &I8042::prefix_), migrate::Field("output-port", &I8042::outputPort_),
      migrate::Field("port92", &I8042::port92_));
};

void I8042::save(migrate::StateWriter& to) const {
  const std::scoped_lock lock(mutex_);
  migrate::StateWriter keyboard, mouse;
  keyboard_.save(keyboard);
  to.putSection("keyboard", keyboard);
  mouse_.save(mouse);
  to.putSection("mouse", mouse);
  migrate::saveFields(to, *this, I8042State::kFields);
}

Result<void> I8042::load(migrate::StateReader& from) {
  {
    const std::scoped_lock lock(mutex_);
    RHEA_TRY(migrate::StateReader keyboard, from.section("keyboard"));
    RHEA_CHECK(keyboard_.load(keyboard));
    RHEA_TRY(migrate::StateReader mouse, from.section("mouse"));
    RHEA_CHECK(mouse_.load(mouse));
    RHEA_CHECK(migrate::loadFields(from, *this, I8042State::kFields));
    if (source_ > From::kController)
      return Error(fmt::format("there is no source {} of bytes", static_cast<int>(source_)));
    updateIrq();
  }
  tellA20();
  return from.finish();
}

}  // namespace rhea::hw
