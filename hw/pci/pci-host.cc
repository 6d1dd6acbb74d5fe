#include "hw/pci/pci-host.h"

#include "emu/object/tree.h"
#include "hw/core/built-in.h"

namespace rhea::pci {

namespace {

constexpr std::uint32_t kEnable = 0x80000000;
constexpr std::uint8_t kResetCpu = 1U << 2;
constexpr std::uint16_t kPciExBar = 0x60;

// Function 00.0 of q35, 82G33: a guest looks at its ids, and finds the ECAM window named there.
class Mch final : public PciDevice {
 public:
  using PciDevice::PciDevice;
  Task<Result<void>> complete() override {
    identify(PciIdentity(0x8086, 0x29c0, 0x060000));
    configSpace().set<std::uint64_t>(kPciExBar, PciHost::kEcamBase | 1U);
    setUp();
    co_return success();
  }
};

}  // namespace

void PciHost::addClasses(object::ClassTable& classes) {
  object::Class host;
  host.name = "q35-pcihost";
  host.parent = "device";
  host.doc = "the PCI Express host bridge of q35";
  classes.add(std::move(host));
  object::Class mch;
  mch.name = "mch";
  mch.parent = "pci-device";
  mch.doc = "function 00.0 of q35: the memory controller hub";
  classes.add(std::move(mch));
}

PciHost::PciHost(const object::Class& type, const Services& services, hw::Board& board, const Fabric::Lines& intx)
    : Device(type), services_(services), board_(board), fabric_(board.memory(), board.ports(), board.msi(), intx) {
  const auto& classes = services.get<object::ObjectTree>().classes();
  bus_ =
      static_cast<PciBus*>(&adopt("pcie.0", std::make_unique<PciBus>(*classes.find("PCIE"), this, fabric_, nullptr)));
}

PciHost::~PciHost() = default;

Task<Result<void>> PciHost::complete() {
  const auto& classes = services_.get<object::ObjectTree>().classes();
  auto mch = std::make_unique<Mch>(*classes.find("mch"), services_);
  mch->wantAddress("00.0");
  RHEA_CO_CHECK(co_await hw::addBuiltIn(*this, "mch", std::move(mch), bus_));
  portMapping_ = fabric_.ports().map(mem::AddressSpace::Region("pci-conf", 0xcf8, 8, mem::Target::io(ports_)));
  ecamMapping_ =
      fabric_.memory().map(mem::AddressSpace::Region("pcie-mmcfg", kEcamBase, kEcamSize, mem::Target::io(ecam_)));
  co_return success();
}

Task<void> PciHost::reset() {
  const std::lock_guard lock(fabric_.configuration());
  address_ = 0;
  resetControl_ = 0;
  co_return;
}

std::uint32_t PciHost::readConfig(unsigned bus, unsigned function, std::size_t offset, unsigned size) {
  const std::lock_guard lock(fabric_.configuration());
  PciDevice* device = bus_->find(bus, function);
  return device == nullptr ? 0xffffffff : device->readConfig(offset, size);
}

void PciHost::writeConfig(unsigned bus, unsigned function, std::size_t offset, std::uint32_t value, unsigned size) {
  const std::lock_guard lock(fabric_.configuration());
  if (PciDevice* device = bus_->find(bus, function); device != nullptr) device->writeConfig(offset, value, size);
}

std::uint64_t PciHost::Ecam::read(std::uint64_t offset, unsigned size) {
  return host_.readConfig(static_cast<unsigned>(offset >> 20), static_cast<unsigned>(offset >> 12) & 0xff,
                          offset & 0xfff, size);
}

void PciHost::Ecam::write(std::uint64_t offset, std::uint64_t value, unsigned size) {
  host_.writeConfig(static_cast<unsigned>(offset >> 20), static_cast<unsigned>(offset >> 12) & 0xff, offset & 0xfff,
                    static_cast<std::uint32_t>(value), size);
}

std::uint64_t PciHost::readPorts(std::uint64_t offset, unsigned size) {
  const std::lock_guard lock(fabric_.configuration());
  if (offset == 1 && size == 1) return resetControl_;
  if (offset < 4) return offset == 0 && size == 4 ? address_ : 0xffffffff;
  if ((address_ & kEnable) == 0) return 0xffffffff;
  return readConfig((address_ >> 16) & 0xff, (address_ >> 8) & 0xff, (address_ & 0xfc) + (offset - 4), size);
}

void PciHost::writePorts(std::uint64_t offset, std::uint32_t value, unsigned size) {
  const std::lock_guard lock(fabric_.configuration());
  if (offset == 1 && size == 1) return writeResetControl(static_cast<std::uint8_t>(value));
  if (offset < 4) {
    // Only a whole write is for this register; a narrower one is for whoever else has these ports.
    if (offset == 0 && size == 4) address_ = value & 0x80fffffc;
    return;
  }
  if ((address_ & kEnable) == 0) return;
  writeConfig((address_ >> 16) & 0xff, (address_ >> 8) & 0xff, (address_ & 0xfc) + (offset - 4), value, size);
}

void PciHost::writeResetControl(std::uint8_t value) {
  const bool rises = (value & ~resetControl_ & kResetCpu) != 0;
  resetControl_ = value & 0x0e;
  if (rises) board_.wish(hw::Board::Wish::kReset, "the guest wrote the reset control register (port 0xcf9)");
}

void PciHost::save(migrate::StateWriter& to) const {
  to.put("address", address_);
  to.put("reset-control", resetControl_);
}

Result<void> PciHost::load(migrate::StateReader& from) {
  RHEA_CHECK(from.get("address", address_));
  RHEA_CHECK(from.get("reset-control", resetControl_));
  address_ &= 0x80fffffc;
  return from.finish();
}

}  // namespace rhea::pci
