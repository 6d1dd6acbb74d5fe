// VirtioPci: a virtio device as a PCI function (virtio 1.2, 4.1): the registers by which a driver finds, sets up and
// notifies its queues: modern ones, and on pcie.0 those of before virtio 1.0 besides (a transitional device).
//
// Registers are guarded by a mutex of this device, taken on vCPUs' threads for a few instructions; the doorbell takes
// none. A reset by the driver completes on the main loop when requests under way have: until then the status register
// keeps its value, which drivers wait for (4.1.4.3.1). A driver of before 1.0 does not know of that: its write waits.
#pragma once

#include <condition_variable>

#include "emu/object/run-state.h"
#include "hw/pci/pci-device.h"
#include "hw/virtio/virtio-device.h"
#include "qapi/types-common.h"

namespace rhea::virtio {

class VirtioPci : public pci::PciDevice, public QueueHost, public Transport, private object::RunState::Observer {
 public:
  // What every function of the family has, for properties.
  struct PciOptions {
    std::uint32_t vectors = UINT32_MAX;  // of MSI-X; UINT32_MAX: one per queue, one for changes
    bool indirect = true;
    bool eventIndex = true;
    qapi::OnOffAuto disableLegacy = qapi::OnOffAuto::auto_;
    bool disableModern = false;
  };
  // Adds the abstract class virtio-pci.
  static void addClass(object::ClassTable& classes);

  VirtioPci(const object::Class& type, const Services& services) : PciDevice(type, services) {}
  ~VirtioPci() override;

  Task<Result<void>> complete() override;
  Task<void> retire() override;
  Task<void> reset() override;
  Task<void> finishAsked() override;
  void save(migrate::StateWriter& to) const override;
  bool savesChildren() const override { return true; }
  Result<void> load(migrate::StateReader& from) override;

  // QueueHost. Any thread.
  const mem::AddressSpace& memory() const override { return pciBus().fabric().memory(); }
  bool mayAccessMemory() const override { return isBusMaster(); }
  void interrupt(const Queue& queue) override;
  void broken(const Error& why) override;
  // Transport. Any thread.
  void configChanged() override;
  void kick(unsigned queue) override { queues_[queue]->kick(); }

 protected:
  // The device behind it, not complete yet; its class code for PCI.
  virtual std::unique_ptr<VirtioDevice> makeDevice() = 0;
  virtual std::uint32_t classCode() const = 0;
  VirtioDevice& device() const { return *device_; }
  void configRead(std::size_t offset, unsigned size) override;
  void configWritten(std::size_t offset, unsigned size) override;
  std::vector<std::pair<std::size_t, std::size_t>> freeRanges() const override;

 private:
  // A window's handler that calls a pair of methods.
  template <std::uint64_t (VirtioPci::*readRegister)(unsigned, unsigned),
            void (VirtioPci::*writeRegister)(unsigned, std::uint64_t, unsigned)>
  class Window final : public mem::IoHandler {
   public:
    explicit Window(VirtioPci& owner) : owner_(owner) {}
    std::uint64_t read(std::uint64_t offset, unsigned size) override {
      return (owner_.*readRegister)(static_cast<unsigned>(offset), size);
    }
    void write(std::uint64_t offset, std::uint64_t value, unsigned size) override {
      (owner_.*writeRegister)(static_cast<unsigned>(offset), value, size);
    }
    AccessSizes accessSizes() const override { return {1, 8}; }

   private:
    VirtioPci& owner_;
  };

  struct QueueRegisters {
    std::uint16_t size = 0;
    std::uint16_t vector = kNoVector;
    bool enabled = false;
    std::uint64_t descriptors = 0;
    std::uint64_t available = 0;
    std::uint64_t used = 0;
  };

  Task<Result<void>> machineStopped() override;
  void machineResumed() override;

  std::uint64_t readCommon(unsigned offset, unsigned size);
  void writeCommon(unsigned offset, std::uint64_t value, unsigned size);
  std::uint64_t readIsr(unsigned offset, unsigned size);
  void writeIsr(unsigned offset, std::uint64_t value, unsigned size);
  std::uint64_t readDevice(unsigned offset, unsigned size);
  void writeDevice(unsigned offset, std::uint64_t value, unsigned size);
  std::uint64_t readLegacy(unsigned offset, unsigned size);
  void writeLegacy(unsigned offset, std::uint64_t value, unsigned size);
  std::uint64_t readNotify(unsigned offset, unsigned size);
  void writeNotify(unsigned offset, std::uint64_t value, unsigned size);
  mem::IoHandler* windowAt(std::uint64_t& offset);
  // What the capability in configuration space asks for: offset in the window bar, and size.
  std::optional<std::pair<std::uint64_t, unsigned>> wantedAccess() const;

  bool isTransitional() const;
  static std::uint16_t transitionalId(std::uint16_t deviceType);
  void addLegacyWindow();
  unsigned legacyConfigAt() const;
  void addVirtioCapabilities();
  void addWindowCapability(std::uint8_t type, std::uint32_t offset, std::uint32_t length, std::size_t size);

  // All below: under guard_.
  std::uint64_t offered() const;
  void setCommonRegister(unsigned offset, std::uint32_t value);
  void setStatus(std::uint8_t value);
  void setFeatures(std::uint32_t value);
  std::uint64_t legacyOffered() const;
  void setLegacyQueue(std::uint32_t page);
  void setLegacyStatus(std::uint8_t value);
  // DRIVER_OK: features count, and queues run.
  void beginDriving();
  std::uint16_t checkedVector(std::uint32_t value) const;
  void startQueue(unsigned index);
  void beginReset();
  void clearRegisters();
  QueueRegisters* selected();
  static RingPlace placeOf(const QueueRegisters& registers);
  Result<void> loadQueue(migrate::StateReader& from, std::size_t index, Queue::State& state);

  void kickAll();
  Task<void> stopQueues();
  Task<void> driverReset();
  void raiseIsr(std::uint8_t bit);

 protected:
  PciOptions pciOptions_;

 private:
  static const object::Property kProperties[];

  VirtioDevice* device_ = nullptr;
  std::vector<QueueShape> shapes_;
  std::vector<std::unique_ptr<Queue>> queues_;
  Loop* main_ = nullptr;
  bool observing_ = false;
  bool stopped_ = false;  // main loop
  TaskGroup resets_;

  mutable std::mutex guard_;
  std::uint8_t status_ = 0;
  bool resetting_ = false;
  std::condition_variable resetDone_;
  bool needsReset_ = false;
  std::uint8_t generation_ = 0;
  std::uint32_t deviceFeatureSelect_ = 0;
  std::uint32_t driverFeatureSelect_ = 0;
  std::uint64_t driverFeatures_ = 0;
  std::uint16_t queueSelect_ = 0;
  std::uint16_t configVector_ = kNoVector;
  std::vector<QueueRegisters> registers_;

  std::mutex isrGuard_;  // of isr_ and the level that follows from it
  std::uint8_t isr_ = 0;
  // Read by interrupt() without the lock.
  std::vector<std::atomic<std::uint16_t>> vectors_;
  std::atomic<std::uint16_t> sharedConfigVector_{kNoVector};

  std::size_t accessCapability_ = 0;  // of the window in configuration space
  Window<&VirtioPci::readCommon, &VirtioPci::writeCommon> common_{*this};
  Window<&VirtioPci::readIsr, &VirtioPci::writeIsr> isrWindow_{*this};
  Window<&VirtioPci::readDevice, &VirtioPci::writeDevice> deviceWindow_{*this};
  Window<&VirtioPci::readNotify, &VirtioPci::writeNotify> notify_{*this};
  Window<&VirtioPci::readLegacy, &VirtioPci::writeLegacy> legacy_{*this};
};

}  // namespace rhea::virtio
