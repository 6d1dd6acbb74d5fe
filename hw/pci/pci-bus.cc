#include "hw/pci/pci-bus.h"

#include <charconv>

#include "hw/pci/pci-device.h"

namespace rhea::pci {

namespace {

std::optional<unsigned> hexadecimal(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return number;
}

}  // namespace

std::string PciAddress::toString() const { return fmt::format("{:02x}.{:x}", device, function); }

Result<PciAddress> PciAddress::parse(std::string_view text) {
  const std::size_t dot = text.find('.');
  const std::optional<unsigned> device = hexadecimal(text.substr(0, dot));
  const std::optional<unsigned> function = dot == text.npos ? 0U : hexadecimal(text.substr(dot + 1));
  if (!device || !function || *device >= kDevices || *function >= kFunctions) {
    return Error(fmt::format("'{}' is no address on a PCI bus", text))
        .expected("a device number 0 to 0x1f in hexadecimal, and a function number 0 to 7 behind a dot: 03.0")
        .where("addr");
  }
  PciAddress address;
  address.device = *device;
  address.function = *function;
  return address;
}

void PciBus::addClasses(object::ClassTable& classes) {
  object::Class bus;
  bus.name = "bus";
  bus.parent = "object";
  bus.doc = "what devices are plugged into";
  bus.isAbstract = true;
  if (classes.find(bus.name) == nullptr) classes.add(bus);
  object::Class pci;
  pci.name = "PCI";
  pci.parent = "bus";
  pci.doc = "a PCI bus";
  classes.add(std::move(pci));
  object::Class express;
  express.name = "PCIE";
  express.parent = "PCI";
  express.doc = "a PCI Express bus";
  classes.add(std::move(express));
}

bool PciBus::isFull() const {
  for (unsigned device = 0; device < deviceNumbers(); ++device) {
    if (taken_[device * kFunctions] == nullptr) return false;
  }
  return true;
}

std::string PciBus::nameOfAddress(PciAddress address) const {
  return fmt::format("address {} of bus '{}'", address.toString(), name());
}

Result<void> PciBus::checkFree(const PciDevice& device, PciAddress address) const {
  if (const PciDevice* other = taken_[address.number()]; other != nullptr) {
    std::string free;
    for (unsigned number = 0; number < deviceNumbers() && free.empty(); ++number) {
      if (taken_[number * kFunctions] == nullptr) free = fmt::format("addr={:02x}.0 is free", number);
    }
    return Error(fmt::format("{} is taken by {} ({})", nameOfAddress(address), other->label(), other->type().name))
        .where("addr")
        .hint(free.empty() ? "take another bus" : std::move(free));
  }
  // Function 0 decides whether a guest looks for the others at all.
  const PciDevice* first = taken_[address.device * kFunctions];
  if (address.function != 0 && first != nullptr && !first->isMultifunction()) {
    return Error(fmt::format("{} cannot be used: function 0 there, {}, has no multifunction=on", nameOfAddress(address),
                             first->label()))
        .where("addr");
  }
  if (address.function == 0 && !device.isMultifunction()) {
    for (unsigned function = 1; function < kFunctions; ++function) {
      const PciDevice* other = taken_[address.device * kFunctions + function];
      if (other == nullptr) continue;
      return Error(fmt::format("{} needs multifunction=on: {} is function {} of the same device",
                               nameOfAddress(address), other->label(), function))
          .where("multifunction");
    }
  }
  return success();
}

Result<void> PciBus::plug(hw::Device& device, bool running) {
  auto& function = static_cast<PciDevice&>(device);
  if (running && !takesHotPlug()) {
    return Error(fmt::format("bus '{}' takes no devices while the machine runs", name()))
        .hint("plug it into a free pcie-root-port, which has to be there from the start");
  }
  PciAddress address;
  if (!function.wantedAddress().empty()) {
    RHEA_TRY(address, PciAddress::parse(function.wantedAddress()));
    if (address.device >= deviceNumbers()) {
      return Error(fmt::format("{} does not exist: a port leads to device 00 alone", nameOfAddress(address)))
          .where("addr");
    }
    RHEA_CHECK(checkFree(function, address));
  } else {
    while (address.device < deviceNumbers() && taken_[address.number()] != nullptr) ++address.device;
    if (address.device == deviceNumbers()) return Error(fmt::format("no address of bus '{}' is free", name()));
    RHEA_CHECK(checkFree(function, address));
  }
  taken_[address.number()] = &function;
  function.setAddress(address);
  return Bus::plug(device, running);
}

void PciBus::show(hw::Device& device, bool /*running*/) {
  auto& function = static_cast<PciDevice&>(device);
  const std::lock_guard lock(fabric_.configuration());
  shown_[function.place().number()] = &function;
  function.updateWindows();
}

void PciBus::unplug(hw::Device& device) {
  auto& function = static_cast<PciDevice&>(device);
  {
    const std::lock_guard lock(fabric_.configuration());
    const unsigned number = function.place().number();
    if (shown_[number] == &function) {
      shown_[number] = nullptr;
      function.disconnect();
    }
    if (taken_[number] == &function) taken_[number] = nullptr;
  }
  Bus::unplug(device);
}

PciDevice* PciBus::find(unsigned busNumber, unsigned function) const {
  if (busNumber == number()) return this->function(function);
  for (PciDevice* each : shown_) {
    BridgeWindows* bridge = each == nullptr ? nullptr : each->asBridge();
    if (bridge == nullptr || bridge->secondaryNumber() == 0) continue;
    if (busNumber < bridge->secondaryNumber() || busNumber > bridge->subordinateNumber()) continue;
    return bridge->secondary().find(busNumber, function);
  }
  return nullptr;
}

bool PciBus::reaches(const Bar& bar, std::uint64_t address) const {
  return above_ == nullptr || (above_->forwards(bar, address) && above_->bridge().pciBus().reaches(bar, address));
}

bool PciBus::forwardsUp() const {
  return above_ == nullptr || (above_->forwardsUp() && above_->bridge().pciBus().forwardsUp());
}

void PciBus::updateWindows() {
  const mem::AddressSpace::Change memory(fabric_.memory());
  const mem::AddressSpace::Change ports(fabric_.ports());
  for (PciDevice* each : shown_) {
    if (each != nullptr) each->updateWindows();
  }
}

}  // namespace rhea::pci
