// LocalInterrupts: the interrupt controller that belongs to one vCPU (on x86 the local APIC), as the vCPU sees it.
// hw/irq implements it; the board connects the two: Vcpu::connect().
//
// How an interrupt reaches the guest: the controller, on any thread, finds that it has something to deliver above its
// priority and calls Vcpu::post(kInterrupt). At a block's edge where the guest takes interrupts the vCPU calls
// acknowledge() on its own thread, and delivers the vector. Posting once too often does no harm: acknowledge() then
// answers that there is nothing.
#pragma once

#include "emu/base/base.h"

namespace rhea::cpu {

class LocalInterrupts {
 public:
  virtual ~LocalInterrupts() = default;

  // Called on the vCPU's thread.

  // The vector to deliver now, which becomes in service (INTA cycle: a legacy controller's too); nothing when none is
  // above the priority any more. When more wait, post(kInterrupt) again, or answer in the next call: the vCPU asks
  // again whenever the guest's EOI or priority write makes the controller post.
  virtual std::optional<std::uint8_t> acknowledge() = 0;
  // Whether acknowledge() would give a vector: a halted vCPU asks.
  virtual bool pending() const = 0;

  // The task priority, of which CR8 is bits 7 to 4.
  virtual std::uint8_t priority() const = 0;
  virtual void setPriority(std::uint8_t value) = 0;

  // MSRs that are the controller's: 0x1b (APIC base), 0x6e0 (TSC deadline), 0x800 to 0x8ff (x2APIC).
  // false: #GP(0) in the guest.
  virtual bool readMsr(std::uint32_t index, std::uint64_t& value) = 0;
  virtual bool writeMsr(std::uint32_t index, std::uint64_t value) = 0;

  // INIT resets all but its id; RESET all.
  virtual void reset(bool init) = 0;
};

}  // namespace rhea::cpu
