// RootPort: pcie-root-port: a bridge to a bus with one place, into which devices are plugged while the machine runs.
//
// Hot-plug is PCI Express's own (PCI Express Base 5.0, 6.7): plugging sets "presence detect changed" and raises an
// interrupt; device_del presses the attention button, and the guest lets go by turning the slot's power off.
#pragma once

#include "hw/pci/pci-device.h"

namespace rhea::pci {

class RootPort final : public PciDevice, public BridgeWindows {
 public:
  static void addClass(object::ClassTable& classes);
  using PciDevice::PciDevice;
  ~RootPort() override;

  Task<Result<void>> complete() override;
  BridgeWindows* asBridge() override { return this; }
  Result<void> load(migrate::StateReader& from) override;

  // By the bus behind it, on the main loop.
  void deviceShown(hw::Device& device, bool running);
  Result<void> requestUnplug(hw::Device& device, hw::Unplugger& unplugger);
  void deviceGone();
  bool hotPluggable() const { return hotplug_; }

 private:
  // Of the slot's control and status registers.
  struct Slot {
    std::uint16_t control;
    std::uint16_t status;
  };

  PciDevice& bridge() override { return *this; }
  PciBus& secondary() override { return *bus_; }
  unsigned secondaryNumber() const override;
  unsigned subordinateNumber() const override;
  bool forwards(const Bar& bar, std::uint64_t address) const override;
  bool forwardsUp() const override;

  void configWritten(std::size_t offset, unsigned size) override;
  void configReset() override;
  std::vector<std::pair<std::size_t, std::size_t>> freeRanges() const override;

  void addWindows();
  void addSlot();
  void addMsi();
  std::uint16_t slotControl() const;
  void setSlotStatus(std::uint16_t bits);
  void powerChanged(std::uint16_t before);
  bool hotPlugHolds() const;
  void updateHotPlugInterrupt();
  bool isOccupied() const;

  static const object::Property kProperties[];
  std::uint8_t port_ = 0;
  std::uint8_t chassis_ = 0;
  std::uint16_t slot_ = 0;
  bool hotplug_ = true;

  PciBus* bus_ = nullptr;
  std::size_t express_ = 0;
  std::size_t msi_ = 0;
  // Under the configuration lock.
  std::uint16_t controlBefore_ = 0;
  bool pending_ = false;  // an interrupt condition holds
  hw::Unplugger* unplugger_ = nullptr;
  bool leaving_ = false;
};

}  // namespace rhea::pci
