// LocalApic: a vCPU's interrupt controller, as xAPIC (registers in memory) and x2APIC (registers as MSRs).
//
// Request bits are set by any thread and taken by the vCPU's own; in-service bits and priorities belong to the vCPU's
// thread and are only looked at by others. There is no lock but the timer's. Source: Intel SDM volume 3, chapter 11.
#pragma once

#include "emu/cpu/local-interrupts.h"
#include "hw/core/device.h"
#include "hw/irq/apic-bus.h"
#include "hw/irq/apic-timer.h"

namespace rhea::cpu {
class Vcpu;
}

namespace rhea::hw {

// Where ExtINT's vector comes from: the 8259 pair.
class ExternalInterrupts {
 public:
  virtual ~ExternalInterrupts() = default;
  virtual std::uint8_t acknowledgeExternal() = 0;
};

class LocalApic final : public Device, public cpu::LocalInterrupts {
 public:
  static constexpr unsigned kRegisters = 0x40;

  LocalApic(const object::Class& type, ApicBus& bus, object::VirtualClock& clock, std::uint32_t id, bool bootstrap);

  // Before the vCPU runs.
  void connect(cpu::Vcpu& vcpu) { vcpu_ = &vcpu; }
  void connect(ExternalInterrupts& external) { external_ = &external; }
  cpu::Vcpu* vcpu() const { return vcpu_; }
  std::uint32_t id() const { return id_; }

  // --- any thread
  bool matches(const ApicMessage& message) const;
  void take(const ApicMessage& message);
  // A fixed interrupt; dropped where the guest has not enabled the APIC.
  void accept(std::uint8_t vector, bool level);
  // LINT0, which the 8259 drives; LINT1 is NMI.
  void setLint0(bool high);
  void pulseLint1();
  bool enabled() const { return (base_.load(std::memory_order_relaxed) & kBaseEnable) != 0; }
  bool inMemoryMode() const { return (base_.load(std::memory_order_relaxed) & (kBaseEnable | kBaseX2)) == kBaseEnable; }
  bool x2() const { return (base_.load(std::memory_order_relaxed) & kBaseX2) != 0; }
  std::uint8_t processorPriority() const;
  // For info lapic and info irq.
  std::string describe() const;

  // --- the vCPU's thread; `index` is the register's address divided by 16
  std::uint32_t readRegister(unsigned index);
  void writeRegister(unsigned index, std::uint32_t value);

  // --- cpu::LocalInterrupts
  std::optional<std::uint8_t> acknowledge() override;
  bool pending() const override;
  std::uint8_t priority() const override { return tpr_.load(std::memory_order_relaxed); }
  void setPriority(std::uint8_t value) override;
  bool readMsr(std::uint32_t index, std::uint64_t& value) override;
  bool writeMsr(std::uint32_t index, std::uint64_t value) override;
  void reset(bool init) override;

  // --- Device
  Task<void> reset() override;
  void save(migrate::StateWriter& to) const override;
  Result<void> load(migrate::StateReader& from) override;

 private:
  static constexpr std::uint64_t kBaseBootstrap = 0x100;
  static constexpr std::uint64_t kBaseX2 = 0x400;
  static constexpr std::uint64_t kBaseEnable = 0x800;
  enum Lvt : std::uint8_t { kCmci, kTimer, kThermal, kPerformance, kLint0, kLint1, kError, kLvtCount };
  using Bits = std::array<std::atomic<std::uint32_t>, 8>;

  static int highest(const Bits& bits);
  bool softwareEnabled() const { return (spurious_.load(std::memory_order_relaxed) & 0x100) != 0; }
  bool acceptsExternal() const;
  bool externalPending() const;
  int deliverable() const;  // the vector that is above the priority, -1: none
  void announce();          // posts to the vCPU where something is deliverable
  void endOfInterrupt();
  void sendIpi(std::uint64_t command);
  void timerExpired();
  void writeLvt(Lvt which, std::uint32_t value);
  void raiseLvt(Lvt which);
  void clearState();
  void report(std::uint32_t error);
  bool writeBase(std::uint64_t value);

  ApicBus& bus_;
  const std::uint32_t id_;
  const bool bootstrap_;
  cpu::Vcpu* vcpu_ = nullptr;
  ExternalInterrupts* external_ = nullptr;

  std::atomic<std::uint64_t> base_;
  std::atomic<std::uint8_t> tpr_{0};
  std::atomic<std::uint32_t> logicalDestination_{0};
  std::atomic<std::uint32_t> destinationFormat_{~0U};
  std::atomic<std::uint32_t> spurious_{0xff};
  std::atomic<std::uint32_t> errors_{0};       // gathered since the last write of ESR
  std::atomic<std::uint32_t> errorsShown_{0};  // ESR as read
  std::atomic<std::uint64_t> command_{0};
  std::array<std::atomic<std::uint32_t>, kLvtCount> lvt_{};
  Bits request_{};
  Bits service_{};
  Bits trigger_{};
  std::atomic<bool> lint0_{false};
  std::atomic<bool> externalMessage_{false};  // ExtINT that came as a message
  ApicTimer timer_;
};

}  // namespace rhea::hw
