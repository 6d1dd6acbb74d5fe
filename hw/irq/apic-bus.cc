#include "hw/irq/apic-bus.h"

#include <unistd.h>

#include "emu/cpu/vcpu.h"
#include "hw/irq/local-apic.h"

namespace rhea::hw {

namespace {

constexpr std::uint64_t kRegisterPage = 0x1000;

std::int64_t thisThread() {
  thread_local const std::int64_t id = ::gettid();
  return id;
}

}  // namespace

void ApicBus::deliver(const ApicMessage& message) {
  if (message.mode == DeliveryMode::kLowestPriority) {
    const std::size_t count = apics_.size();
    const unsigned first = turn_.fetch_add(1, std::memory_order_relaxed);
    LocalApic* best = nullptr;
    for (std::size_t n = 0; n < count; ++n) {
      LocalApic* apic = apics_[(first + n) % count];
      if (!apic->enabled() || !apic->matches(message)) continue;
      if (best == nullptr || apic->processorPriority() < best->processorPriority()) best = apic;
    }
    if (best != nullptr) best->accept(message.vector, message.level);
    return;
  }
  for (LocalApic* apic : apics_) {
    if (apic->matches(message)) apic->take(message);
  }
}

void ApicBus::deliverMsi(std::uint64_t address, std::uint32_t data) {
  ApicMessage message;
  message.destination = static_cast<std::uint32_t>(address >> 12) & 0xff;
  message.logical = (address >> 2 & 1) != 0;
  message.mode = static_cast<DeliveryMode>(data >> 8 & 7);
  message.vector = static_cast<std::uint8_t>(data);
  message.level = (data >> 15 & 1) != 0;
  deliver(message);
}

LocalApic* ApicBus::ofThisThread() const {
  const std::int64_t thread = thisThread();
  for (LocalApic* apic : apics_) {
    if (apic->vcpu() != nullptr && apic->vcpu()->hostThread() == thread) return apic;
  }
  return nullptr;
}

std::uint64_t ApicBus::read(std::uint64_t offset, unsigned) {
  LocalApic* apic = offset < kRegisterPage ? ofThisThread() : nullptr;
  return apic != nullptr && apic->inMemoryMode() ? apic->readRegister(static_cast<unsigned>(offset >> 4)) : ~0U;
}

void ApicBus::write(std::uint64_t offset, std::uint64_t value, unsigned) {
  if (offset >= kRegisterPage) {
    deliverMsi(kBase + offset, static_cast<std::uint32_t>(value));
    return;
  }
  LocalApic* apic = ofThisThread();
  if (apic != nullptr && apic->inMemoryMode() && (offset & 0xf) == 0) {
    apic->writeRegister(static_cast<unsigned>(offset >> 4), static_cast<std::uint32_t>(value));
  }
}

}  // namespace rhea::hw
