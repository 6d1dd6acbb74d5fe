// Rtc: the MC146818 real-time clock with its 128 bytes of CMOS memory, ports 0x70 and 0x71, IRQ 8.
//
// Its time is a wall-clock time given at the start plus virtual time, so it stands while the machine is stopped; who
// wants it to follow the host's clock moves it on when the machine runs again.
// Source: Motorola MC146818A data sheet.
#pragma once

#include "emu/mem/io-handler.h"
#include "emu/object/virtual-clock.h"
#include "hw/core/device.h"
#include "hw/core/irq.h"

namespace rhea::hw {

class Rtc final : public Device, public mem::IoHandler {
 public:
  static constexpr std::uint8_t kCentury = 0x32;

  // `epoch`: seconds since 1970 at virtual time 0, in the zone that the guest is to see.
  // `catchesUp`: periodic interrupts that a busy host let pass come all the same, one after the other.
  Rtc(const object::Class& type, object::VirtualClock& clock, IrqLine irq, std::int64_t epoch, bool catchesUp = false);

  // The time goes on by this at once: the machine stood still, and its clock is not to. Nanoseconds.
  void advance(std::int64_t by);

  // What firmware leaves in CMOS memory; before the guest runs. Indices from 0x0e on.
  void setByte(std::uint8_t index, std::uint8_t value) { memory_[index & 0x7f] = value; }

  // Offsets are port numbers: 0x70, 0x71.
  std::uint64_t read(std::uint64_t offset, unsigned size) override;
  void write(std::uint64_t offset, std::uint64_t value, unsigned size) override;
  AccessSizes accessSizes() const override { return {1, 1}; }

  // The HPET has taken IRQ 8 over.
  void setReplaced(bool replaced);

  Task<void> reset() override;
  void save(migrate::StateWriter& to) const override;
  Result<void> load(migrate::StateReader& from) override;

 private:
  std::uint8_t readRegister();
  void writeRegister(std::uint8_t value);
  // Time registers from the clock, and the clock from time registers.
  void refresh(object::VirtualTime now);
  void adopt(object::VirtualTime now);
  std::uint8_t encode(unsigned value) const;
  unsigned decode(std::uint8_t value) const;
  bool alarmAt(std::int64_t second) const;
  object::VirtualTime periodicInterval() const;
  void schedule(object::VirtualTime now);
  void periodic();
  void second();
  void updateIrq();
  std::int64_t secondsAt(object::VirtualTime now) const;

  object::VirtualClock& clock_;
  IrqLine irq_;
  mutable std::mutex mutex_;
  std::array<std::uint8_t, 128> memory_{};
  std::uint8_t index_ = 0;
  std::int64_t epochNs_;  // wall-clock nanoseconds at virtual time 0
  const bool catchesUp_;
  bool replaced_ = false;
  object::VirtualTime nextPeriodic_ = object::kNoTime;
  object::VirtualTime nextSecond_ = object::kNoTime;
  object::VirtualClock::Timer periodicTimer_;
  object::VirtualClock::Timer secondTimer_;
};

}  // namespace rhea::hw
