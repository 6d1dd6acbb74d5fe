// PciBus: the functions of one PCI bus, by device and function number; and PciAddress, "03.0".
//
// What the guest reaches it through is above it: the host bridge or a root port. The list of functions is guarded by
// the configuration lock; it changes on the main loop only.
#pragma once

#include "hw/core/bus.h"
#include "hw/pci/bar.h"
#include "hw/pci/fabric.h"

namespace rhea::pci {

class PciDevice;
class PciBus;

constexpr unsigned kDevices = 32;
constexpr unsigned kFunctions = 8;

struct PciAddress {
  unsigned device = 0;
  unsigned function = 0;
  constexpr unsigned number() const { return device * kFunctions + function; }
  std::string toString() const;  // "03.0", in hexadecimal
  // "3", "0x3", "03.1", "0x1f.7": hexadecimal with or without 0x. Error: says what it should look like.
  static Result<PciAddress> parse(std::string_view text);
};

// A bridge's side of the bus behind it.
class BridgeWindows {
 public:
  virtual ~BridgeWindows() = default;
  virtual PciDevice& bridge() = 0;
  virtual PciBus& secondary() = 0;
  virtual unsigned secondaryNumber() const = 0;
  virtual unsigned subordinateNumber() const = 0;
  // Whether the bridge hands on what is addressed to this window.
  virtual bool forwards(const Bar& bar, std::uint64_t address) const = 0;
  // Whether it hands on what is sent from below: memory writes, messages.
  virtual bool forwardsUp() const = 0;
};

class PciBus : public hw::Bus {
 public:
  static constexpr std::string_view kKind = "PCI";
  // Adds the classes PCI and PCIE of buses.
  static void addClasses(object::ClassTable& classes);

  // `above`: null for the host bridge's own bus.
  PciBus(const object::Class& type, hw::Device* owner, Fabric& fabric, BridgeWindows* above)
      : Bus(type, owner), fabric_(fabric), above_(above) {}

  std::string_view kind() const override { return kKind; }
  Fabric& fabric() const { return fabric_; }
  BridgeWindows* above() const { return above_; }
  unsigned number() const { return above_ == nullptr ? 0 : above_->secondaryNumber(); }

  Result<void> plug(hw::Device& device, bool running) override;
  void show(hw::Device& device, bool running) override;
  void unplug(hw::Device& device) override;
  bool isFull() const override;

  // --- under the configuration lock
  PciDevice* function(unsigned number) const { return shown_[number & 0xff]; }
  const std::array<PciDevice*, kDevices * kFunctions>& functions() const { return shown_; }
  // The function that a configuration access below this bus is for; null: none answers.
  PciDevice* find(unsigned busNumber, unsigned function) const;
  // Whether a window reaches this bus from the host's side, through all bridges.
  bool reaches(const Bar& bar, std::uint64_t address) const;
  // Whether functions here may send to memory, as far as the bridges above have a say.
  bool forwardsUp() const;
  // The bridges above have changed: windows of all functions below are mapped anew.
  void updateWindows();

 protected:
  // The device numbers that can be plugged: all of them, or 0 alone below a port.
  virtual unsigned deviceNumbers() const { return kDevices; }
  virtual bool takesHotPlug() const { return false; }

 private:
  Result<void> checkFree(const PciDevice& device, PciAddress address) const;
  std::string nameOfAddress(PciAddress address) const;

  Fabric& fabric_;
  BridgeWindows* above_;
  std::array<PciDevice*, kDevices * kFunctions> taken_{};  // main loop
  std::array<PciDevice*, kDevices * kFunctions> shown_{};
};

}  // namespace rhea::pci
