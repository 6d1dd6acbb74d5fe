#include "hw/irq/pic.h"

namespace rhea::hw {

namespace {

constexpr unsigned kCascade = 2;
constexpr std::uint8_t kSpurious = 7;
constexpr std::array<std::uint8_t, 2> kLevelWritable = {0xf8, 0xde};  // timer, keyboard, RTC and FPU are edges always

}  // namespace

Pic::Pic(const object::Class& type, std::function<void(bool)> output) : Device(type), output_(std::move(output)) {}

int Pic::Chip::highest(std::uint8_t bits) const {
  for (unsigned n = 1; n <= 8; ++n) {
    const unsigned line = (lowest + n) & 7;
    if ((bits >> line & 1) != 0) return static_cast<int>(line);
  }
  return -1;
}

int Pic::Chip::pending() const {
  const int line = highest(static_cast<std::uint8_t>(request & ~mask));
  if (line < 0) return -1;
  auto blocking = static_cast<std::uint8_t>(specialMask ? service & ~mask : service);
  if (fullyNested) blocking = static_cast<std::uint8_t>(blocking & ~(1U << kCascade));
  const int serving = highest(blocking);
  if (serving < 0) return line;
  const auto rank = [this](int which) { return (static_cast<unsigned>(which) + 7U - lowest) & 7U; };
  return rank(line) < rank(serving) ? line : -1;
}

void Pic::Chip::set(unsigned line, bool high) {
  const auto bit = static_cast<std::uint8_t>(1U << line);
  const bool before = (lines & bit) != 0;
  lines = static_cast<std::uint8_t>(high ? lines | bit : lines & ~bit);
  if ((level & bit) != 0) {
    request = static_cast<std::uint8_t>(high ? request | bit : request & ~bit);
  } else if (high && !before) {
    request |= bit;
  } else if (!high) {
    request = static_cast<std::uint8_t>(request & ~bit);  // an edge that is gone before INTA is spurious
  }
}

void Pic::Chip::acknowledge(unsigned line) {
  const auto bit = static_cast<std::uint8_t>(1U << line);
  if ((level & bit) == 0) request = static_cast<std::uint8_t>(request & ~bit);
  if (!autoEoi) {
    service |= bit;
  } else if (rotateOnAutoEoi) {
    lowest = static_cast<std::uint8_t>(line);
  }
}

void Pic::update() {
  chips_[0].set(kCascade, chips_[1].pending() >= 0);
  output_(chips_[0].pending() >= 0);
}

void Pic::setIrq(unsigned line, bool high) {
  if (line >= 16 || line == kCascade) return;
  const std::scoped_lock lock(mutex_);
  chips_[line / 8].set(line % 8, high);
  update();
}

std::uint8_t Pic::acknowledge() {
  const int line = chips_[0].pending();
  if (line < 0) return static_cast<std::uint8_t>(chips_[0].base + kSpurious);
  chips_[0].acknowledge(static_cast<unsigned>(line));
  std::uint8_t vector = static_cast<std::uint8_t>(chips_[0].base + line);
  if (static_cast<unsigned>(line) == kCascade) {
    const int second = chips_[1].pending();
    if (second >= 0) chips_[1].acknowledge(static_cast<unsigned>(second));
    vector = static_cast<std::uint8_t>(chips_[1].base + (second >= 0 ? second : kSpurious));
  }
  update();
  return vector;
}

std::uint8_t Pic::acknowledgeExternal() {
  const std::scoped_lock lock(mutex_);
  return acknowledge();
}

std::uint64_t Pic::read(std::uint64_t offset, unsigned) {
  const std::scoped_lock lock(mutex_);
  if (offset == 0x4d0 || offset == 0x4d1) return chips_[offset & 1].level;
  Chip& chip = chips_[offset >= 0xa0 ? 1 : 0];
  if (chip.poll) {
    chip.poll = false;
    const int line = chip.pending();
    if (line < 0) return 0;
    chip.acknowledge(static_cast<unsigned>(line));
    update();
    return 0x80U | static_cast<unsigned>(line);
  }
  if ((offset & 1) != 0) return chip.mask;
  return chip.readService ? chip.service : chip.request;
}

void Pic::write(std::uint64_t offset, std::uint64_t value, unsigned) {
  const std::scoped_lock lock(mutex_);
  const auto byte = static_cast<std::uint8_t>(value);
  if (offset == 0x4d0 || offset == 0x4d1) {
    chips_[offset & 1].level = byte & kLevelWritable[offset & 1];
  } else if (Chip& chip = chips_[offset >= 0xa0 ? 1 : 0]; (offset & 1) != 0) {
    writeData(chip, byte);
  } else {
    writeCommand(chip, byte);
  }
  update();
}

void Pic::writeCommand(Chip& chip, std::uint8_t value) {
  if ((value & 0x10) != 0) {  // ICW1
    const Chip before = chip;
    chip = Chip();
    chip.lines = before.lines;
    chip.level = before.level;
    chip.base = before.base;
    chip.step = 2;
    chip.needsIcw4 = (value & 1) != 0;
    chip.request = static_cast<std::uint8_t>(chip.lines & chip.level);
  } else if ((value & 8) != 0) {  // OCW3
    chip.poll = (value & 4) != 0;
    if ((value & 2) != 0) chip.readService = (value & 1) != 0;
    if ((value & 0x40) != 0) chip.specialMask = (value & 0x20) != 0;
  } else {  // OCW2
    endOfInterrupt(chip, value);
  }
}

void Pic::endOfInterrupt(Chip& chip, std::uint8_t command) {
  const bool rotate = (command & 0x80) != 0;
  const bool specific = (command & 0x40) != 0;
  const bool eoi = (command & 0x20) != 0;
  const int line = specific ? command & 7 : chip.highest(chip.service);
  if (!eoi) {
    if (specific) {
      if (rotate) chip.lowest = command & 7;
    } else {
      chip.rotateOnAutoEoi = rotate;
    }
    return;
  }
  if (line < 0) return;
  chip.service = static_cast<std::uint8_t>(chip.service & ~(1U << line));
  if (rotate) chip.lowest = static_cast<std::uint8_t>(line);
}

void Pic::writeData(Chip& chip, std::uint8_t value) {
  switch (chip.step) {
    case 2:
      chip.base = value & 0xf8;
      chip.step = 3;  // a PC's pair is always cascaded
      break;
    case 3:
      chip.step = chip.needsIcw4 ? 4 : 0;
      break;
    case 4:
      chip.fullyNested = (value & 0x10) != 0;
      chip.autoEoi = (value & 2) != 0;
      chip.step = 0;
      break;
    default:
      chip.mask = value;
  }
}

std::string Pic::describe() const {
  const std::scoped_lock lock(mutex_);
  std::string text;
  for (std::size_t i = 0; i < chips_.size(); ++i) {
    const Chip& chip = chips_[i];
    text += fmt::format(
        "8259 {}: vectors from {:#04x}, requested {:#04x}, in service {:#04x}, masked {:#04x}, level {:#04x}\n", i,
        chip.base, chip.request, chip.service, chip.mask, chip.level);
  }
  return text;
}

Task<void> Pic::reset() {
  const std::scoped_lock lock(mutex_);
  chips_ = {};
  update();
  co_return;
}

void Pic::save(migrate::StateWriter& to) const {
  const std::scoped_lock lock(mutex_);
  for (std::size_t i = 0; i < chips_.size(); ++i) {
    const Chip& chip = chips_[i];
    migrate::StateWriter section;
    section.put("lines", chip.lines);
    section.put("request", chip.request);
    section.put("service", chip.service);
    section.put("mask", chip.mask);
    section.put("level", chip.level);
    section.put("base", chip.base);
    section.put("lowest", chip.lowest);
    section.put("step", chip.step);
    section.put("needs-icw4", chip.needsIcw4);
    section.put("auto-eoi", chip.autoEoi);
    section.put("rotate", chip.rotateOnAutoEoi);
    section.put("read-service", chip.readService);
    section.put("poll", chip.poll);
    section.put("special-mask", chip.specialMask);
    section.put("fully-nested", chip.fullyNested);
    to.putSection(i == 0 ? "first" : "second", section);
  }
}

Result<void> Pic::load(migrate::StateReader& from) {
  const std::scoped_lock lock(mutex_);
  for (std::size_t i = 0; i < chips_.size(); ++i) {
    Chip chip;
    RHEA_TRY(migrate::StateReader section, from.section(i == 0 ? "first" : "second"));
    RHEA_CHECK(section.get("lines", chip.lines));
    RHEA_CHECK(section.get("request", chip.request));
    RHEA_CHECK(section.get("service", chip.service));
    RHEA_CHECK(section.get("mask", chip.mask));
    RHEA_CHECK(section.get("level", chip.level));
    RHEA_CHECK(section.get("base", chip.base));
    RHEA_CHECK(section.get("lowest", chip.lowest));
    RHEA_CHECK(section.get("step", chip.step));
    RHEA_CHECK(section.get("needs-icw4", chip.needsIcw4));
    RHEA_CHECK(section.get("auto-eoi", chip.autoEoi));
    RHEA_CHECK(section.get("rotate", chip.rotateOnAutoEoi));
    RHEA_CHECK(section.get("read-service", chip.readService));
    RHEA_CHECK(section.get("poll", chip.poll));
    RHEA_CHECK(section.get("special-mask", chip.specialMask));
    RHEA_CHECK(section.get("fully-nested", chip.fullyNested));
    RHEA_CHECK(section.finish());
    chip.lowest &= 7;
    chips_[i] = chip;
  }
  update();
  return from.finish();
}

}  // namespace rhea::hw
