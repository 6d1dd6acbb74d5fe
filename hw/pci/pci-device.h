// PciDevice: one PCI function: its configuration space, windows, capabilities and interrupts.
//
// A device class sets itself up in complete(): identify(), then capabilities and windows, then setUp(). What a guest
// does with the configuration space arrives in configWritten(), under the configuration lock (fabric.h).
#pragma once

#include "emu/io/services.h"
#include "hw/core/device.h"
#include "hw/pci/config-space.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci-bus.h"
#include "hw/pci/registers.h"

namespace rhea::pci {

// What a function says that it is.
struct PciIdentity {
  PciIdentity() = default;
  PciIdentity(std::uint16_t vendorId, std::uint16_t deviceId, std::uint32_t theClass)
      : vendor(vendorId), device(deviceId), classCode(theClass) {}
  std::uint16_t vendor = 0xffff;
  std::uint16_t device = 0xffff;
  std::uint32_t classCode = 0;  // 24 bits: class, subclass, interface
  std::uint8_t revision = 0;
  std::uint16_t subsystemVendor = 0;  // not of bridges
  std::uint16_t subsystem = 0;
};

enum class ExpressType : std::uint8_t { kEndpoint = 0, kRootPort = 4, kRootIntegrated = 9 };

class PciDevice : public hw::Device {
 public:
  static constexpr unsigned kBars = 6;
  // Adds the abstract class pci-device, with the properties addr and multifunction.
  static void addClass(object::ClassTable& classes);

  PciDevice(const object::Class& type, const Services& services) : Device(type), services_(services) {}
  ~PciDevice() override;

  std::string address() const override { return place_.toString(); }
  PciAddress place() const { return place_; }
  PciBus& pciBus() const;
  // What addr= asked for; empty: any place.
  const std::string& wantedAddress() const { return wanted_; }
  void wantAddress(std::string address) { wanted_ = std::move(address); }
  bool isMultifunction() const { return multifunction_; }

  Task<void> reset() override;
  void save(migrate::StateWriter& to) const override;
  // Reads all of it; a class with state of its own calls loadFunction() and then finishes.
  Result<void> load(migrate::StateReader& from) override;

  // --- under the configuration lock: the guest's accesses, 1, 2 or 4 bytes, and what others want to know.
  std::uint32_t readConfig(std::size_t offset, unsigned size);
  void writeConfig(std::size_t offset, std::uint32_t value, unsigned size);
  const ConfigSpace& config() const { return config_; }
  const Bar& bar(unsigned index) const { return bars_[index]; }
  // Null for functions that are no bridges.
  virtual BridgeWindows* asBridge() { return nullptr; }
  // Maps the windows where they are to be decoded now, and looks who may send.
  void updateWindows();

  // --- any thread
  // Whether the function may read and write guest memory.
  bool isBusMaster() const { return busMaster_.load(std::memory_order_acquire); }

  // By the bus.
  void setAddress(PciAddress place) { place_ = place; }
  // Out of the guest's reach: no windows, no interrupt.
  void disconnect();

 protected:
  const Services& services() const { return services_; }
  ConfigSpace& configSpace() { return config_; }

  // --- in complete(), in this order: identify(), then capabilities and windows, then setUp().
  void identify(const PciIdentity& identity, std::uint8_t headerType = 0);
  // The capability's offset; the caller fills in what comes after id and link. Capabilities are found in reverse.
  std::uint8_t addCapability(CapabilityId id, std::size_t size);
  void addBar(unsigned index, BarKind kind, std::uint64_t size);
  void addBarPart(unsigned index, std::string name, std::uint64_t offset, std::uint64_t size, mem::Target target);
  // INTA.
  void addIntx();
  // Makes bar `index` a window with the table and pending bits.
  void addMsix(unsigned vectors, unsigned index);
  std::uint8_t addExpress(ExpressType type);
  void addPowerManagement();
  // The configuration space is as after power on from now on.
  void setUp();

  // Before a guest's read, for registers that are made when they are looked at; under the configuration lock.
  virtual void configRead(std::size_t /*offset*/, unsigned /*size*/) {}
  // After a guest's write; under the configuration lock.
  virtual void configWritten(std::size_t /*offset*/, unsigned /*size*/) {}
  // Registers go back to their first values; under the configuration lock.
  virtual void configReset() {}

  Result<void> loadFunction(migrate::StateReader& from);

  // --- interrupts, any thread
  // The level of INTA; the command register may keep it from the line.
  void setIntx(bool high);
  bool usesMsix() const { return msix_ != nullptr && msix_->enabled(); }
  void notifyMsix(unsigned vector) { msix_->notify(vector); }
  Msix* msix() { return msix_.get(); }

  // Ranges of the configuration space that load() may find changed by the device itself.
  virtual std::vector<std::pair<std::size_t, std::size_t>> freeRanges() const;

 private:
  std::optional<std::uint64_t> addressOf(unsigned index) const;
  void updateInterrupts();
  void driveIntx();
  unsigned intxLine() const;

  static const object::Property kProperties[];

  const Services& services_;
  std::string wanted_;
  bool multifunction_ = false;
  PciAddress place_;
  ConfigSpace config_;
  std::array<Bar, kBars> bars_;
  std::size_t nextCapability_ = 0x40;
  std::uint8_t msixCapability_ = 0;
  std::unique_ptr<Msix> msix_;
  std::atomic<bool> busMaster_{false};
  bool connected_ = false;

  mutable std::mutex intxGuard_;
  bool intxLevel_ = false;
  bool intxDisabled_ = false;
  bool intxDriven_ = false;
};

}  // namespace rhea::pci
