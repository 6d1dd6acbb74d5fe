// Pic: the pair of 8259A interrupt controllers of a PC, 15 lines to one INTR wire. Source: Intel 8259A data sheet, and
// ICH9's edge/level registers.
#pragma once

#include "emu/mem/io-handler.h"
#include "hw/core/device.h"
#include "hw/core/irq.h"
#include "hw/irq/local-apic.h"

namespace rhea::hw {

class Pic final : public Device, public IrqSink, public ExternalInterrupts, public mem::IoHandler {
 public:
  // `output` follows INTR; called with the lock held.
  Pic(const object::Class& type, std::function<void(bool)> output);

  void setIrq(unsigned line, bool high) override;
  std::uint8_t acknowledgeExternal() override;
  // Offsets are port numbers: 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1.
  std::uint64_t read(std::uint64_t offset, unsigned size) override;
  void write(std::uint64_t offset, std::uint64_t value, unsigned size) override;
  AccessSizes accessSizes() const override { return {1, 1}; }
  // For info pic and info irq.
  std::string describe() const;

  Task<void> reset() override;
  void save(migrate::StateWriter& to) const override;
  Result<void> load(migrate::StateReader& from) override;

 private:
  struct Chip {
    std::uint8_t lines = 0, request = 0, service = 0, mask = 0, level = 0;
    std::uint8_t base = 0;    // of its eight vectors
    std::uint8_t lowest = 7;  // the line of lowest priority
    std::uint8_t step = 0;    // of initialization: the ICW that comes next, 0: none
    bool needsIcw4 = false, autoEoi = false, rotateOnAutoEoi = false, readService = false, poll = false;
    bool specialMask = false, fullyNested = false;

    int highest(std::uint8_t bits) const;  // the line of highest priority, -1: none
    int pending() const;                   // the line to be served, -1: none
    void set(unsigned line, bool high);
    void acknowledge(unsigned line);
  };

  void update();
  std::uint8_t acknowledge();
  void writeCommand(Chip& chip, std::uint8_t value);
  void writeData(Chip& chip, std::uint8_t value);
  static void endOfInterrupt(Chip& chip, std::uint8_t command);

  std::function<void(bool)> output_;
  mutable std::mutex mutex_;
  std::array<Chip, 2> chips_;  // the second one's output is the first one's line 2
};

}  // namespace rhea::hw
