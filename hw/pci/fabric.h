// Fabric: what all functions below one PCI host bridge share: the address spaces that their windows are in, where their
// interrupts go, and the configuration lock.
//
// Configuration accesses are rare, and one of a bridge moves the windows of everything behind it: they are one at a
// time. The lock is recursive because a function may reach its own registers through its configuration space.
#pragma once

#include "emu/mem/address-space.h"
#include "hw/core/irq.h"

namespace rhea::pci {

class Fabric {
 public:
  static constexpr unsigned kLines = 4;
  using Lines = std::array<hw::IrqLine, kLines>;

  // `intx`: the four lines that INTA to INTD of device 0 on bus 0 go to; the pins of the others are rotated, see
  // lineOf(). They are level triggered, active high here; their sources are counted.
  Fabric(mem::AddressSpace& memory, mem::AddressSpace& ports, hw::MsiSink& msi, const Lines& intx)
      : memory_(memory), ports_(ports), msi_(msi), intx_(intx) {}

  mem::AddressSpace& memory() const { return memory_; }
  mem::AddressSpace& ports() const { return ports_; }
  hw::MsiSink& msi() const { return msi_; }
  std::recursive_mutex& configuration() { return configuration_; }

  // The line of a pin (0: INTA) of a device on a bus, as the board's _PRT must say it for bus 0.
  static constexpr unsigned rotated(unsigned device, unsigned pin) { return (device + pin) % kLines; }
  // A function begins or ceases to assert a line. Any thread.
  void assertLine(unsigned line, bool high) {
    const std::lock_guard lock(linesGuard_);
    unsigned& count = asserted_[line];
    count = high ? count + 1 : count - 1;
    if (count == (high ? 1U : 0U)) intx_[line].set(high);
  }

 private:
  mem::AddressSpace& memory_;
  mem::AddressSpace& ports_;
  hw::MsiSink& msi_;
  Lines intx_;
  std::recursive_mutex configuration_;
  std::mutex linesGuard_;
  std::array<unsigned, kLines> asserted_{};
};

}  // namespace rhea::pci
