// Hpet: the high precision event timer: a 64-bit counter of 100 MHz and three comparators. Source: IA-PC HPET 1.0a.
#pragma once

#include "emu/mem/io-handler.h"
#include "emu/object/virtual-clock.h"
#include "hw/core/device.h"
#include "hw/core/irq.h"

namespace rhea::hw {

class Hpet final : public Device, public mem::IoHandler {
 public:
  static constexpr std::uint64_t kBase = 0xfed00000;
  static constexpr std::uint64_t kSize = 0x400;
  static constexpr std::uint64_t kHz = 100'000'000;
  static constexpr std::uint64_t kId = 0x8086a201;  // as the ACPI table repeats it

  // `lines` are interrupts by GSI; `replace` is told when the legacy timers' interrupts are taken over.
  Hpet(const object::Class& type, object::VirtualClock& clock, IrqSink& lines, MsiSink& msi,
       std::function<void(bool)> replace);

  std::uint64_t read(std::uint64_t offset, unsigned size) override;
  void write(std::uint64_t offset, std::uint64_t value, unsigned size) override;
  AccessSizes accessSizes() const override { return {4, 8}; }

  Task<void> reset() override;
  void save(migrate::StateWriter& to) const override;
  Result<void> load(migrate::StateReader& from) override;

 private:
  static constexpr unsigned kTimers = 3;
  struct Comparator {
    std::uint64_t config = 0;
    std::uint64_t compare = 0;
    std::uint64_t period = 0;
    std::uint64_t message = 0;                   // FSB: data in the low half, address in the high
    object::VirtualTime next = object::kNoTime;  // when it is reached
    bool high = false;                           // our contribution to the line
    unsigned line = 0;
  };

  bool running() const { return (config_ & 1) != 0; }
  bool legacy() const { return (config_ & 2) != 0; }
  std::uint64_t counter(object::VirtualTime now) const;
  std::uint64_t readWhole(unsigned at, object::VirtualTime now) const;
  // Neither an interrupt nor a status bit tells that it was reached, so no timer runs for it: Linux leaves its periodic
  // one counting for good, which would wake the host 250 times a second.
  static bool silent(const Comparator& comparator);
  static object::VirtualTime slackOf(const Comparator& comparator);
  // A silent periodic one's value has moved on since it was looked at last.
  std::uint64_t compareAt(const Comparator& comparator, object::VirtualTime now) const;
  void writeWhole(unsigned at, std::uint64_t value, std::uint64_t written, object::VirtualTime now);
  void writeComparator(unsigned n, std::uint64_t value, std::uint64_t written, object::VirtualTime now);
  void setConfig(std::uint64_t value, object::VirtualTime now);
  unsigned lineOf(unsigned n) const;
  void drive(unsigned n, bool high);
  void schedule(unsigned n, object::VirtualTime now);
  void fire(unsigned n);
  void clearStatus(std::uint64_t bits);

  object::VirtualClock& clock_;
  IrqSink& lines_;
  MsiSink& msi_;
  std::function<void(bool)> replace_;
  mutable std::mutex mutex_;
  std::uint64_t config_ = 0;
  std::uint64_t status_ = 0;
  std::uint64_t base_ = 0;  // the counter at start_, or for good while it stands
  object::VirtualTime start_ = 0;
  std::array<Comparator, kTimers> comparators_;
  std::array<std::unique_ptr<object::VirtualClock::Timer>, kTimers> timers_;
};

}  // namespace rhea::hw
