#include "hw/timer/pit.h"

#include "hw/timer/ticks.h"

namespace rhea::hw {

using object::kNoTime;
using object::VirtualTime;

namespace {

constexpr std::uint64_t kControlPort = 0x43;

std::uint16_t toBcd(std::uint64_t value) {
  std::uint16_t bcd = 0;
  for (unsigned digit = 0; digit < 4; ++digit, value /= 10) {
    bcd = static_cast<std::uint16_t>(bcd | (value % 10) << (4 * digit));
  }
  return bcd;
}

std::uint16_t fromBcd(std::uint16_t bcd) {
  unsigned value = 0;
  for (int digit = 3; digit >= 0; --digit) value = value * 10 + (bcd >> (4 * digit) & 0xfU);
  return static_cast<std::uint16_t>(value);
}

bool periodic(std::uint8_t mode) { return mode == 2 || mode == 3; }

}  // namespace

Pit::Pit(const object::Class& type, object::VirtualClock& clock, IrqLine irq)
    : Device(type), clock_(clock), irq_(irq), timer_(clock, [this] { fire(); }) {
  channels_[2].gate = false;
}

std::uint64_t Pit::Channel::ticks(VirtualTime now) const {
  // Modes 1 and 5 are started by the gate and run on without it.
  const bool stands = !gate && mode != 1 && mode != 5;
  return stands ? held : ticksIn(now - start, kHz);
}

std::uint16_t Pit::Channel::count(VirtualTime now) const {
  const std::uint64_t over = counting ? ticks(now) : 0;
  const std::uint64_t modulus = bcd ? 10000 : 0x10000;
  std::uint64_t left = 0;
  if (mode == 3) {
    left = period() - (2 * over % period() & ~std::uint64_t{1});
  } else if (mode == 2) {
    left = period() - over % period();
  } else {
    left = (period() + modulus - over % modulus) % modulus;
  }
  return bcd ? toBcd(left % modulus) : static_cast<std::uint16_t>(left);
}

bool Pit::Channel::output(VirtualTime now) const {
  if (!counting) return mode != 0;
  const std::uint64_t over = ticks(now);
  switch (mode) {
    case 0:
    case 1:
      return over >= period();
    case 2:
      return !gate || over % period() != period() - 1;
    case 3:
      return !gate || over % period() < (period() + 1) / 2;
    default:
      return over != period();
  }
}

std::uint64_t Pit::read(std::uint64_t offset, unsigned) {
  const std::scoped_lock lock(mutex_);
  const VirtualTime now = clock_.now();
  if (offset == kSpeakerPort) {
    const Channel& channel = channels_[2];
    // Bit 4 toggles with every refresh cycle of 15.085 us.
    const std::uint64_t refresh = ticksIn(now, kHz) / 18 & 1;
    return (channel.gate ? 1U : 0U) | (speaker_ ? 2U : 0U) | (refresh << 4) | (channel.output(now) ? 0x20U : 0U);
  }
  return offset == kControlPort ? 0 : readCounter(channels_[offset & 3], now);
}

std::uint8_t Pit::readCounter(Channel& channel, VirtualTime now) {
  if (channel.statusLatched) {
    channel.statusLatched = false;
    return channel.status;
  }
  const std::uint16_t value = channel.countLatched ? channel.latch : channel.count(now);
  const bool high = channel.access == 2 || (channel.access == 3 && channel.readHighNext);
  if (channel.access == 3) channel.readHighNext = !channel.readHighNext;
  if (channel.access != 3 || high) channel.countLatched = false;
  return static_cast<std::uint8_t>(high ? value >> 8 : value);
}

void Pit::write(std::uint64_t offset, std::uint64_t value, unsigned) {
  const std::scoped_lock lock(mutex_);
  const VirtualTime now = clock_.now();
  const auto byte = static_cast<std::uint8_t>(value);
  if (offset == kSpeakerPort) {
    setGate(channels_[2], (byte & 1) != 0, now);
    speaker_ = (byte & 2) != 0;
  } else if (offset == kControlPort) {
    writeControl(byte, now);
  } else {
    writeCounter(offset & 3, byte, now);
  }
}

void Pit::writeControl(std::uint8_t value, VirtualTime now) {
  const unsigned select = value >> 6;
  if (select == 3) {  // read-back: what is latched already stays
    for (unsigned i = 0; i < channels_.size(); ++i) {
      Channel& channel = channels_[i];
      if ((value >> (i + 1) & 1) == 0) continue;
      if ((value & 0x20) == 0 && !channel.countLatched) {
        channel.latch = channel.count(now);
        channel.countLatched = true;
      }
      if ((value & 0x10) == 0 && !channel.statusLatched) {
        channel.status =
            static_cast<std::uint8_t>((channel.output(now) ? 0x80U : 0U) | (channel.counting ? 0U : 0x40U) |
                                      (channel.access << 4U) | (channel.mode << 1U) | (channel.bcd ? 1U : 0U));
        channel.statusLatched = true;
      }
    }
    return;
  }
  Channel& channel = channels_[select];
  const auto access = static_cast<std::uint8_t>(value >> 4 & 3);
  if (access == 0) {
    if (!channel.countLatched) {
      channel.latch = channel.count(now);
      channel.countLatched = true;
    }
    return;
  }
  channel.access = access;
  const auto mode = static_cast<std::uint8_t>(value >> 1 & 7);
  channel.mode = mode > 5 ? static_cast<std::uint8_t>(mode - 4) : mode;
  channel.bcd = (value & 1) != 0;
  channel.counting = channel.writeHighNext = channel.readHighNext = false;
  channel.countLatched = channel.statusLatched = false;
  if (select != 0) return;
  if (!replaced_) irq_.set(channel.mode != 0);
  schedule(now);
}

void Pit::writeCounter(unsigned index, std::uint8_t value, VirtualTime now) {
  Channel& channel = channels_[index];
  unsigned whole = 0;
  if (channel.access == 3 && !channel.writeHighNext) {
    channel.writeLow = value;
    channel.writeHighNext = true;
    return;
  }
  if (channel.access == 3) {
    whole = channel.writeLow | static_cast<unsigned>(value) << 8;
    channel.writeHighNext = false;
  } else {
    whole = channel.access == 2 ? static_cast<unsigned>(value) << 8 : value;
  }
  channel.reload = channel.bcd ? fromBcd(static_cast<std::uint16_t>(whole)) : static_cast<std::uint16_t>(whole);
  if (channel.bcd && channel.reload == 0) channel.reload = 10000;
  // Modes 1 and 5 wait for the gate's edge; the gates of channels 0 and 1 never move.
  if ((channel.mode == 1 || channel.mode == 5) && channel.counting) return;
  channel.counting = true;
  channel.start = now;
  channel.held = 0;
  if (index != 0) return;
  if (!replaced_ && channel.mode == 0) irq_.lower();
  schedule(now);
}

void Pit::setGate(Channel& channel, bool open, VirtualTime now) {
  if (channel.gate == open) return;
  if (!open) {
    channel.held = channel.ticks(now);
  } else if (channel.mode == 0 || channel.mode == 4) {
    channel.start = now - timeOf(channel.held, kHz);
  } else {
    channel.start = now;
  }
  channel.gate = open;
}

void Pit::schedule(VirtualTime now) {
  const Channel& channel = channels_[0];
  edges_ = 0;
  next_ = kNoTime;
  if (channel.counting && !replaced_ && channel.mode != 1 && channel.mode != 5) {
    if (periodic(channel.mode)) edges_ = channel.ticks(now) / channel.period();
    next_ = channel.start + timeOf((edges_ + 1) * channel.period(), kHz);
  }
  timer_.arm(next_, periodic(channel.mode) ? beatSlack(timeOf(channel.period(), kHz)) : 0);
}

void Pit::fire() {
  const std::scoped_lock lock(mutex_);
  const VirtualTime now = clock_.now();
  if (next_ == kNoTime || next_ > now) return;
  const Channel& channel = channels_[0];
  // The line stays high until just before the next edge, so that a PIC that asks late still sees it.
  if (channel.mode != 0) irq_.lower();
  irq_.raise();
  next_ = kNoTime;
  if (periodic(channel.mode)) {
    ++edges_;
    const VirtualTime period = timeOf(channel.period(), kHz);
    VirtualTime nominal = channel.start + timeOf((edges_ + 1) * channel.period(), kHz);
    if (now - nominal > kMostBacklog) {
      edges_ = channel.ticks(now) / channel.period();
      nominal = channel.start + timeOf((edges_ + 1) * channel.period(), kHz);
    }
    next_ = tickTime(nominal, now, period);
  }
  timer_.arm(next_, periodic(channel.mode) ? beatSlack(timeOf(channel.period(), kHz)) : 0);
}

void Pit::setReplaced(bool replaced) {
  const std::scoped_lock lock(mutex_);
  if (replaced_ == replaced) return;
  replaced_ = replaced;
  irq_.lower();
  schedule(clock_.now());
}

Task<void> Pit::reset() {
  const std::scoped_lock lock(mutex_);
  channels_ = {};
  channels_[2].gate = false;
  speaker_ = replaced_ = false;
  irq_.lower();
  schedule(clock_.now());
  co_return;
}

void Pit::save(migrate::StateWriter& to) const {
  const std::scoped_lock lock(mutex_);
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    const Channel& channel = channels_[i];
    migrate::StateWriter section;
    section.put("mode", channel.mode);
    section.put("access", channel.access);
    section.put("bcd", channel.bcd);
    section.put("gate", channel.gate);
    section.put("counting", channel.counting);
    section.put("reload", channel.reload);
    section.put("start", channel.start);
    section.put("held", channel.held);
    section.put("write-low", channel.writeLow);
    section.put("write-high-next", channel.writeHighNext);
    section.put("read-high-next", channel.readHighNext);
    section.put("count-latched", channel.countLatched);
    section.put("status-latched", channel.statusLatched);
    section.put("latch", channel.latch);
    section.put("status", channel.status);
    to.putSection(fmt::format("channel{}", i), section);
  }
  to.put("speaker", speaker_);
  to.put("replaced", replaced_);
}

Result<void> Pit::load(migrate::StateReader& from) {
  const std::scoped_lock lock(mutex_);
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    Channel channel;
    RHEA_TRY(migrate::StateReader section, from.section(fmt::format("channel{}", i)));
    RHEA_CHECK(section.get("mode", channel.mode));
    RHEA_CHECK(section.get("access", channel.access));
    RHEA_CHECK(section.get("bcd", channel.bcd));
    RHEA_CHECK(section.get("gate", channel.gate));
    RHEA_CHECK(section.get("counting", channel.counting));
    RHEA_CHECK(section.get("reload", channel.reload));
    RHEA_CHECK(section.get("start", channel.start));
    RHEA_CHECK(section.get("held", channel.held));
    RHEA_CHECK(section.get("write-low", channel.writeLow));
    RHEA_CHECK(section.get("write-high-next", channel.writeHighNext));
    RHEA_CHECK(section.get("read-high-next", channel.readHighNext));
    RHEA_CHECK(section.get("count-latched", channel.countLatched));
    RHEA_CHECK(section.get("status-latched", channel.statusLatched));
    RHEA_CHECK(section.get("latch", channel.latch));
    RHEA_CHECK(section.get("status", channel.status));
    RHEA_CHECK(section.finish());
    if (channel.mode > 5 || channel.access == 0 || channel.access > 3) {
      return Error(fmt::format("channel {} of the PIT has mode {} and access {}", i, channel.mode, channel.access))
          .expected("modes 0 to 5, access 1 to 3");
    }
    channels_[i] = channel;
  }
  RHEA_CHECK(from.get("speaker", speaker_));
  RHEA_CHECK(from.get("replaced", replaced_));
  schedule(clock_.now());
  return from.finish();
}

}  // namespace rhea::hw
