// Pit: the 8254 interval timer of a PC: channel 0 is IRQ 0, channel 2 the speaker, gated and read back through port
// 0x61. Source: Intel 8254 data sheet.
#pragma once

#include "emu/mem/io-handler.h"
#include "emu/object/virtual-clock.h"
#include "hw/core/device.h"
#include "hw/core/irq.h"

namespace rhea::hw {

class Pit final : public Device, public mem::IoHandler {
 public:
  static constexpr std::uint64_t kHz = 1193182;
  static constexpr std::uint64_t kSpeakerPort = 0x61;

  Pit(const object::Class& type, object::VirtualClock& clock, IrqLine irq);

  // Offsets are port numbers: 0x40 to 0x43, and 0x61.
  std::uint64_t read(std::uint64_t offset, unsigned size) override;
  void write(std::uint64_t offset, std::uint64_t value, unsigned size) override;
  AccessSizes accessSizes() const override { return {1, 1}; }

  // The HPET has taken IRQ 0 over.
  void setReplaced(bool replaced);

  Task<void> reset() override;
  void save(migrate::StateWriter& to) const override;
  Result<void> load(migrate::StateReader& from) override;

 private:
  struct Channel {
    std::uint8_t mode = 3;
    std::uint8_t access = 3;  // 1: low byte, 2: high byte, 3: low then high
    bool bcd = false;
    bool gate = true;
    bool counting = false;     // a count was written since the control word
    std::uint16_t reload = 0;  // 0 counts 65536
    object::VirtualTime start = 0;
    std::uint64_t held = 0;  // ticks that were over when the gate closed
    std::uint8_t writeLow = 0;
    bool writeHighNext = false, readHighNext = false;
    bool countLatched = false, statusLatched = false;
    std::uint16_t latch = 0;
    std::uint8_t status = 0;

    std::uint64_t period() const { return reload == 0 ? 0x10000 : reload; }
    std::uint64_t ticks(object::VirtualTime now) const;
    std::uint16_t count(object::VirtualTime now) const;
    bool output(object::VirtualTime now) const;
  };

  std::uint8_t readCounter(Channel& channel, object::VirtualTime now);
  void writeControl(std::uint8_t value, object::VirtualTime now);
  void writeCounter(unsigned index, std::uint8_t value, object::VirtualTime now);
  void setGate(Channel& channel, bool open, object::VirtualTime now);
  // Arms the timer for channel 0's next rising edge.
  void schedule(object::VirtualTime now);
  void fire();

  object::VirtualClock& clock_;
  IrqLine irq_;
  mutable std::mutex mutex_;
  std::array<Channel, 3> channels_;
  bool speaker_ = false;
  bool replaced_ = false;
  std::uint64_t edges_ = 0;  // of channel 0 since its start that have been signalled
  object::VirtualTime next_ = object::kNoTime;
  object::VirtualClock::Timer timer_;
};

}  // namespace rhea::hw
