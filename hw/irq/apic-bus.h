// ApicBus: what carries interrupts between IO-APIC, MSI writers and the vCPUs' local APICs.
//
// Delivery takes no lock: a sender on any thread finds the local APICs that a message names and sets bits there.
// Sources: Intel SDM volume 3, chapter 11.
#pragma once

#include "emu/mem/io-handler.h"
#include "hw/core/irq.h"

namespace rhea::hw {

class LocalApic;

enum class DeliveryMode : std::uint8_t {
  kFixed = 0,
  kLowestPriority = 1,
  kSmi = 2,
  kNmi = 4,
  kInit = 5,
  kStartup = 6,
  kExternal = 7,
};

struct ApicMessage {
  static constexpr std::uint32_t kEverybody = ~std::uint32_t{0};

  std::uint32_t destination = 0;
  bool logical = false;
  DeliveryMode mode = DeliveryMode::kFixed;
  std::uint8_t vector = 0;
  bool level = false;  // level triggered
  bool wide = false;   // the destination has 32 bits (x2APIC); else 8, all ones being everybody
};

class ApicBus final : public MsiSink, public mem::IoHandler {
 public:
  static constexpr std::uint64_t kBase = 0xfee00000;
  static constexpr std::uint64_t kSize =
      0x100000;  // of the range that MSIs are written to; registers are its first page

  // Told of the end of level-triggered interrupts.
  class EoiListener {
   public:
    virtual ~EoiListener() = default;
    virtual void endOfInterrupt(std::uint8_t vector) = 0;
  };

  // Before any vCPU runs; all outlive the bus's use.
  void add(LocalApic& apic) { apics_.push_back(&apic); }
  void setEoiListener(EoiListener& listener) { eoiListener_ = &listener; }

  std::span<LocalApic* const> apics() const { return apics_; }

  // --- any thread
  void deliver(const ApicMessage& message);
  void endOfInterrupt(std::uint8_t vector) const {
    if (eoiListener_ != nullptr) eoiListener_->endOfInterrupt(vector);
  }
  void deliverMsi(std::uint64_t address, std::uint32_t data) override;

  // The registers' page: on a vCPU's thread that vCPU's local APIC, elsewhere nothing answers. A write beyond the page
  // is an MSI.
  std::uint64_t read(std::uint64_t offset, unsigned size) override;
  void write(std::uint64_t offset, std::uint64_t value, unsigned size) override;
  AccessSizes accessSizes() const override { return {4, 4}; }

 private:
  LocalApic* ofThisThread() const;

  std::vector<LocalApic*> apics_;
  EoiListener* eoiListener_ = nullptr;
  std::atomic<unsigned> turn_{0};  // of lowest-priority delivery among equals
};

}  // namespace rhea::hw
