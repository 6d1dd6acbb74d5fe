// IoApic: 24 interrupt lines to messages for local APICs. Source: Intel 82093AA, with ICH9's EOI register (version
// 0x20).
#pragma once

#include "emu/mem/io-handler.h"
#include "hw/core/device.h"
#include "hw/core/irq.h"
#include "hw/irq/apic-bus.h"

namespace rhea::hw {

class IoApic final : public Device, public IrqSink, public mem::IoHandler, public ApicBus::EoiListener {
 public:
  static constexpr std::uint64_t kBase = 0xfec00000;
  static constexpr std::uint64_t kSize = 0x1000;
  static constexpr unsigned kPins = 24;

  IoApic(const object::Class& type, ApicBus& bus);

  // Any thread, for all of these.
  void setIrq(unsigned line, bool high) override;
  void endOfInterrupt(std::uint8_t vector) override;
  std::uint64_t read(std::uint64_t offset, unsigned size) override;
  void write(std::uint64_t offset, std::uint64_t value, unsigned size) override;
  AccessSizes accessSizes() const override { return {4, 4}; }
  // For info irq.
  std::string describe() const;

  Task<void> reset() override;
  void save(migrate::StateWriter& to) const override;
  Result<void> load(migrate::StateReader& from) override;

 private:
  std::uint32_t readSelected() const;
  void writeSelected(std::uint32_t value);
  // A level-triggered pin that is high and not being served. Under the lock.
  void serve(unsigned pin);
  void send(std::uint64_t entry);

  ApicBus& bus_;
  mutable std::mutex mutex_;
  std::uint8_t selected_ = 0;
  std::uint8_t id_ = 0;
  std::uint32_t lines_ = 0;  // as they are now
  std::array<std::uint64_t, kPins> entries_{};
  std::array<std::uint64_t, kPins> counts_{};  // delivered, for people
};

}  // namespace rhea::hw
