// PciHost: the host bridge of q35: bus "pcie.0", reached through ports 0xcf8/0xcfc and the ECAM window.
//
// Sources: PCI Local Bus 3.0, 3.2.2.3.2 (mechanism 1); PCI Express Base 5.0, 7.2.2 (ECAM); Intel ICH9, 13.7.5 (0xcf9).
#pragma once

#include "emu/io/services.h"
#include "hw/core/board.h"
#include "hw/pci/pci-bus.h"
#include "hw/pci/pci-device.h"

namespace rhea::pci {

class PciHost final : public hw::Device {
 public:
  // Where ACPI's MCFG has to say that the window is: all 256 buses.
  static constexpr std::uint64_t kEcamBase = 0xb0000000;
  static constexpr std::uint64_t kEcamSize = std::uint64_t{256} << 20;

  // Adds q35-pcihost and mch.
  static void addClasses(object::ClassTable& classes);

  // `board` outlives the host bridge.
  PciHost(const object::Class& type, const Services& services, hw::Board& board, const Fabric::Lines& intx);
  ~PciHost() override;

  Fabric& fabric() { return fabric_; }
  PciBus& rootBus() { return *bus_; }

  // Makes the bus, function 00.0 (mch) on it, and maps the windows.
  Task<Result<void>> complete() override;
  Task<void> reset() override;
  void save(migrate::StateWriter& to) const override;
  Result<void> load(migrate::StateReader& from) override;

 private:
  // 0xcf8 to 0xcff, byte 0xcf9 being the reset control register.
  class Ports final : public mem::IoHandler {
   public:
    explicit Ports(PciHost& host) : host_(host) {}
    std::uint64_t read(std::uint64_t offset, unsigned size) override { return host_.readPorts(offset, size); }
    void write(std::uint64_t offset, std::uint64_t value, unsigned size) override {
      host_.writePorts(offset, static_cast<std::uint32_t>(value), size);
    }

   private:
    PciHost& host_;
  };
  class Ecam final : public mem::IoHandler {
   public:
    explicit Ecam(PciHost& host) : host_(host) {}
    std::uint64_t read(std::uint64_t offset, unsigned size) override;
    void write(std::uint64_t offset, std::uint64_t value, unsigned size) override;

   private:
    PciHost& host_;
  };

  std::uint64_t readPorts(std::uint64_t offset, unsigned size);
  void writePorts(std::uint64_t offset, std::uint32_t value, unsigned size);
  void writeResetControl(std::uint8_t value);
  std::uint32_t readConfig(unsigned bus, unsigned function, std::size_t offset, unsigned size);
  void writeConfig(unsigned bus, unsigned function, std::size_t offset, std::uint32_t value, unsigned size);

  const Services& services_;
  hw::Board& board_;
  Fabric fabric_;
  PciBus* bus_;
  // Under the configuration lock.
  std::uint32_t address_ = 0;  // 0xcf8
  std::uint8_t resetControl_ = 0;
  Ports ports_{*this};
  Ecam ecam_{*this};
  mem::AddressSpace::Mapping portMapping_;
  mem::AddressSpace::Mapping ecamMapping_;
};

}  // namespace rhea::pci
