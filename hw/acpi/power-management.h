// PowerManagement: ACPI's fixed registers: power button, sleep control and the PM timer. The interrupt is the SCI.
// Source: ACPI 6.4, 4.8.3. ACPI is on from the start: there is no firmware to take over from.
#pragma once

#include "emu/mem/io-handler.h"
#include "hw/core/board.h"
#include "hw/core/device.h"
#include "hw/core/irq.h"

namespace rhea::hw {

class PowerManagement final : public Device, public mem::IoHandler {
 public:
  static constexpr std::uint64_t kBase = 0x600;
  static constexpr std::uint64_t kSize = 0x30;
  // Within the region, as the FADT tells.
  static constexpr std::uint64_t kEvent = 0x00, kControl = 0x04, kTimer = 0x08, kGpe = 0x20;
  static constexpr std::uint64_t kGpeSize = 0x10;
  static constexpr unsigned kSci = 9;
  static constexpr std::uint8_t kSleepTypeOff = 5;
  static constexpr std::uint64_t kTimerHz = 3'579'545;

  PowerManagement(const object::Class& type, Board& board, IrqLine sci);

  // Any thread.
  void pressPowerButton();

  std::uint64_t read(std::uint64_t offset, unsigned size) override;
  void write(std::uint64_t offset, std::uint64_t value, unsigned size) override;
  AccessSizes accessSizes() const override { return {1, 4}; }

  Task<void> reset() override;
  void save(migrate::StateWriter& to) const override;
  Result<void> load(migrate::StateReader& from) override;

 private:
  std::uint32_t timerValue(object::VirtualTime now) const;
  std::uint8_t readByte(std::uint64_t offset, object::VirtualTime now) const;
  // True: the guest turns the machine off.
  bool writeByte(std::uint64_t offset, std::uint8_t value);
  void updateSci();
  void schedule(object::VirtualTime now);
  void carry();

  Board& board_;
  IrqLine sci_;
  mutable std::mutex mutex_;
  std::uint16_t status_ = 0, enable_ = 0, control_ = 1;
  std::array<std::uint8_t, kGpeSize / 2> gpeStatus_{}, gpeEnable_{};
  object::VirtualTime nextCarry_ = object::kNoTime;
  object::VirtualClock::Timer carryTimer_;  // when the timer's top bit changes
};

}  // namespace rhea::hw
