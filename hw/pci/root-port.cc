#include "hw/pci/root-port.h"

#include "emu/object/tree.h"

namespace rhea::pci {

namespace {

constexpr std::uint16_t kRedHat = 0x1b36;
constexpr std::uint16_t kRootPortId = 0x000c;

// Slot capabilities.
constexpr std::uint32_t kButtonPresent = 1U << 0;
constexpr std::uint32_t kPowerController = 1U << 1;
constexpr std::uint32_t kAttentionIndicator = 1U << 3;
constexpr std::uint32_t kPowerIndicator = 1U << 4;
constexpr std::uint32_t kHotPlugCapable = 1U << 6;
constexpr unsigned kSlotNumberShift = 19;
// Slot control.
constexpr std::uint16_t kButtonEnable = 1U << 0;
constexpr std::uint16_t kPresenceEnable = 1U << 3;
constexpr std::uint16_t kCommandEnable = 1U << 4;
constexpr std::uint16_t kLinkEnable = 1U << 12;
constexpr std::uint16_t kHotPlugEnable = 1U << 5;
constexpr std::uint16_t kAttentionOff = 3U << 6;
constexpr std::uint16_t kPowerIndicatorMask = 3U << 8;
constexpr std::uint16_t kPowerIndicatorOn = 1U << 8;
constexpr std::uint16_t kPowerIndicatorOff = 3U << 8;
constexpr std::uint16_t kPowerOff = 1U << 10;
constexpr std::uint16_t kControlWritable = 0x1fff;
// Slot status.
constexpr std::uint16_t kButtonPressed = 1U << 0;
constexpr std::uint16_t kPresenceChanged = 1U << 3;
constexpr std::uint16_t kCommandCompleted = 1U << 4;
constexpr std::uint16_t kPresent = 1U << 6;
constexpr std::uint16_t kLinkChanged = 1U << 8;
constexpr std::uint16_t kStatusClearable = 0x011f;
// Link status.
constexpr std::uint16_t kLinkActive = 1U << 13;

// The bus behind a port: one device.
class PortBus final : public PciBus {
 public:
  PortBus(const object::Class& type, RootPort& port, Fabric& fabric, BridgeWindows& windows)
      : PciBus(type, &port, fabric, &windows), port_(port) {}

  void show(hw::Device& device, bool running) override {
    PciBus::show(device, running);
    port_.deviceShown(device, running);
  }
  Result<void> requestUnplug(hw::Device& device, hw::Unplugger& unplugger) override {
    if (!port_.hotPluggable()) return PciBus::requestUnplug(device, unplugger);
    return port_.requestUnplug(device, unplugger);
  }
  void unplug(hw::Device& device) override {
    PciBus::unplug(device);
    port_.deviceGone();
  }

 private:
  unsigned deviceNumbers() const override { return 1; }
  bool takesHotPlug() const override { return port_.hotPluggable(); }
  RootPort& port_;
};

}  // namespace

const object::Property RootPort::kProperties[] = {
    object::field<&RootPort::port_>("port", "0", "number of the port, as the link capabilities tell it"),
    object::field<&RootPort::chassis_>("chassis", "0", "number of the chassis that the slot is in"),
    object::field<&RootPort::slot_>("slot", "0", "number of the slot; that of the port's place when it is 0"),
    object::field<&RootPort::hotplug_>("hotplug", "true", "whether devices can be plugged while the machine runs"),
};

void RootPort::addClass(object::ClassTable& classes) {
  object::Class type;
  type.name = "pcie-root-port";
  type.parent = "pci-device";
  type.doc = "a port of the PCI Express root complex, with a bus for one device";
  type.properties = kProperties;
  type.make = [](const object::Class& made, const Services& services) -> std::unique_ptr<object::Object> {
    return std::make_unique<RootPort>(made, services);
  };
  classes.add(std::move(type));
}

RootPort::~RootPort() = default;

Task<Result<void>> RootPort::complete() {
  if (pciBus().above() != nullptr) {
    co_return Error(fmt::format("a pcie-root-port belongs to the root complex, not behind another port (bus '{}')",
                                pciBus().name()))
        .where("bus")
        .expected("bus=pcie.0");
  }
  const object::ClassTable& classes = services().get<object::ObjectTree>().classes();
  const std::string busName = id().empty() ? fmt::format("pcie.{}", place().number()) : id();
  bus_ = static_cast<PciBus*>(
      &adopt(busName, std::make_unique<PortBus>(*classes.find("PCIE"), *this, pciBus().fabric(), *this)));
  identify(PciIdentity(kRedHat, kRootPortId, 0x060400), 1);
  addIntx();
  addWindows();
  addMsi();
  addSlot();
  addPowerManagement();
  setUp();
  configReset();
  co_return success();
}

void RootPort::addWindows() {
  ConfigSpace& config = configSpace();
  config.writable<std::uint32_t>(kPrimaryBus, 0x00ffffff);
  config.writable<std::uint8_t>(kIoBase, 0xf0);
  config.writable<std::uint8_t>(kIoLimit, 0xf0);
  config.set<std::uint8_t>(kIoBase, 0x01);  // 32-bit addresses
  config.set<std::uint8_t>(kIoLimit, 0x01);
  config.writable<std::uint32_t>(kIoBaseHigh, 0xffffffff);
  config.writable<std::uint32_t>(kMemoryBase, 0xfff0fff0);
  config.writable<std::uint32_t>(kPrefetchBase, 0xfff0fff0);
  config.set<std::uint32_t>(kPrefetchBase, 0x00010001);  // 64-bit addresses
  config.writable<std::uint32_t>(kPrefetchBaseHigh, 0xffffffff);
  config.writable<std::uint32_t>(kPrefetchLimitHigh, 0xffffffff);
  config.writable<std::uint16_t>(kBridgeControl, 0x004f);
  config.clearable<std::uint16_t>(kSecondaryStatus, kStatusErrors);
}

void RootPort::addMsi() {
  msi_ = addCapability(kCapMsi, 14);
  ConfigSpace& config = configSpace();
  config.set<std::uint16_t>(msi_ + 2, 1U << 7);  // 64-bit addresses
  config.writable<std::uint16_t>(msi_ + 2, 1);
  config.writable<std::uint32_t>(msi_ + 4, 0xfffffffc);
  config.writable<std::uint32_t>(msi_ + 8, 0xffffffff);
  config.writable<std::uint16_t>(msi_ + 12, 0xffff);
}

void RootPort::addSlot() {
  express_ = addExpress(ExpressType::kRootPort);
  ConfigSpace& config = configSpace();
  const std::uint32_t link = config.get<std::uint32_t>(express_ + kLinkCapabilities);
  // Bit 20: the link tells whether it is active, which a guest waits for after power on.
  config.set<std::uint32_t>(express_ + kLinkCapabilities, link | (std::uint32_t{port_} << 24) | (1U << 20));
  const unsigned number = slot_ != 0 ? slot_ : place().number();
  std::uint32_t capabilities = (number & 0x1fffU) << kSlotNumberShift;
  if (hotplug_) {
    capabilities |= kButtonPresent | kPowerController | kAttentionIndicator | kPowerIndicator | kHotPlugCapable;
    config.writable<std::uint16_t>(express_ + kSlotControl, kControlWritable);
    config.clearable<std::uint16_t>(express_ + kSlotStatus, kStatusClearable);
  }
  config.set<std::uint32_t>(express_ + kSlotCapabilities, capabilities);
  config.set<std::uint16_t>(express_ + kSlotControl, kAttentionOff | kPowerIndicatorOff | kPowerOff);
  config.writable<std::uint16_t>(express_ + kRootControl, 0x001f);
  config.clearable<std::uint32_t>(express_ + kRootStatus, 1U << 16);
}

// --- the bus behind it

unsigned RootPort::secondaryNumber() const { return config().get<std::uint8_t>(kSecondaryBus); }
unsigned RootPort::subordinateNumber() const { return config().get<std::uint8_t>(kSubordinateBus); }

bool RootPort::forwards(const Bar& bar, std::uint64_t address) const {
  const ConfigSpace& space = config();
  const auto command = space.get<std::uint16_t>(kCommand);
  const std::uint64_t last = address + bar.size() - 1;
  const auto inside = [address, last](std::uint64_t base, std::uint64_t limit) {
    return base <= limit && address >= base && last <= limit;
  };
  if (bar.isIo()) {
    const std::uint64_t base = (space.get<std::uint8_t>(kIoBase) & 0xf0U) << 8;
    const std::uint64_t limit = ((space.get<std::uint8_t>(kIoLimit) & 0xf0U) << 8) | 0xfff;
    const std::uint64_t highBase = std::uint64_t{space.get<std::uint16_t>(kIoBaseHigh)} << 16;
    const std::uint64_t highLimit = std::uint64_t{space.get<std::uint16_t>(kIoLimitHigh)} << 16;
    return (command & kCommandIo) != 0 && inside(highBase | base, highLimit | limit);
  }
  if ((command & kCommandMemory) == 0) return false;
  const std::uint64_t base = std::uint64_t{space.get<std::uint16_t>(kMemoryBase) & 0xfff0U} << 16;
  const std::uint64_t limit = (std::uint64_t{space.get<std::uint16_t>(kMemoryLimit) & 0xfff0U} << 16) | 0xfffff;
  if (inside(base, limit)) return true;
  const std::uint64_t prefetchBase = (std::uint64_t{space.get<std::uint32_t>(kPrefetchBaseHigh)} << 32) |
                                     (std::uint64_t{space.get<std::uint16_t>(kPrefetchBase) & 0xfff0U} << 16);
  const std::uint64_t prefetchLimit = (std::uint64_t{space.get<std::uint32_t>(kPrefetchLimitHigh)} << 32) |
                                      (std::uint64_t{space.get<std::uint16_t>(kPrefetchLimit) & 0xfff0U} << 16) |
                                      0xfffff;
  return inside(prefetchBase, prefetchLimit);
}

bool RootPort::forwardsUp() const { return (config().get<std::uint16_t>(kCommand) & kCommandBusMaster) != 0; }

bool RootPort::isOccupied() const {
  return std::ranges::any_of(bus_->functions(), [](const PciDevice* each) { return each != nullptr; });
}

// --- registers

std::uint16_t RootPort::slotControl() const { return config().get<std::uint16_t>(express_ + kSlotControl); }

void RootPort::configReset() {
  ConfigSpace& space = configSpace();
  const bool occupied = isOccupied();
  // What is there from the start has power; firmware would have turned it on.
  const std::uint16_t control =
      occupied ? kAttentionOff | kPowerIndicatorOn : kAttentionOff | kPowerIndicatorOff | kPowerOff;
  space.set<std::uint16_t>(express_ + kSlotControl, control);
  space.set<std::uint16_t>(express_ + kSlotStatus, occupied ? kPresent : 0);
  const auto link = static_cast<std::uint16_t>(space.get<std::uint16_t>(express_ + kLinkStatus) & ~kLinkActive);
  space.set<std::uint16_t>(express_ + kLinkStatus, static_cast<std::uint16_t>(link | (occupied ? kLinkActive : 0)));
  controlBefore_ = control;
  pending_ = false;
  // A guest that was asked and never answered will not now: the device stays, and can be asked for again.
  leaving_ = false;
}

void RootPort::configWritten(std::size_t offset, unsigned size) {
  const bool windows = touches(offset, size, kCommand, 2) || touches(offset, size, kPrimaryBus, 4) ||
                       touches(offset, size, kIoBase, 2) || touches(offset, size, kMemoryBase, 0x14);
  if (windows) bus_->updateWindows();
  if (touches(offset, size, express_ + kSlotControl, 2)) {
    const std::uint16_t before = std::exchange(controlBefore_, slotControl());
    if (hotplug_) {
      setSlotStatus(kCommandCompleted);
      powerChanged(before);
    }
  }
  if (touches(offset, size, express_ + kSlotControl, 4) || touches(offset, size, msi_, 14)) updateHotPlugInterrupt();
}

void RootPort::setSlotStatus(std::uint16_t bits) {
  ConfigSpace& space = configSpace();
  space.set<std::uint16_t>(express_ + kSlotStatus,
                           static_cast<std::uint16_t>(space.get<std::uint16_t>(express_ + kSlotStatus) | bits));
}

// The guest turns the power off, and with the indicator off as well it says that it has let go.
void RootPort::powerChanged(std::uint16_t before) {
  const std::uint16_t now = slotControl();
  const bool off = (now & kPowerOff) != 0 && (now & kPowerIndicatorMask) == kPowerIndicatorOff;
  const bool wasOff = (before & kPowerOff) != 0 && (before & kPowerIndicatorMask) == kPowerIndicatorOff;
  if (!off || wasOff || unplugger_ == nullptr || !leaving_) return;
  leaving_ = false;
  for (PciDevice* function : bus_->functions()) {
    if (function != nullptr) unplugger_->unplugSoon(*function);
  }
}

bool RootPort::hotPlugHolds() const {
  const ConfigSpace& space = config();
  const std::uint16_t control = slotControl();
  const auto status = space.get<std::uint16_t>(express_ + kSlotStatus);
  std::uint16_t enabled = 0;
  if ((control & kButtonEnable) != 0) enabled |= kButtonPressed;
  if ((control & kPresenceEnable) != 0) enabled |= kPresenceChanged;
  if ((control & kCommandEnable) != 0) enabled |= kCommandCompleted;
  if ((control & kLinkEnable) != 0) enabled |= kLinkChanged;
  return (control & kHotPlugEnable) != 0 && (status & enabled) != 0;
}

void RootPort::updateHotPlugInterrupt() {
  const ConfigSpace& space = config();
  const bool holds = hotPlugHolds();
  const bool rises = holds && !pending_;
  pending_ = holds;
  if ((space.get<std::uint16_t>(msi_ + 2) & 1) == 0) return setIntx(holds);
  setIntx(false);
  if (!rises || !isBusMaster()) return;
  const std::uint64_t address =
      space.get<std::uint32_t>(msi_ + 4) | (std::uint64_t{space.get<std::uint32_t>(msi_ + 8)} << 32);
  pciBus().fabric().msi().deliverMsi(address, space.get<std::uint16_t>(msi_ + 12));
}

// --- hot-plug, on the main loop

void RootPort::deviceShown(hw::Device& /*device*/, bool running) {
  const std::lock_guard lock(pciBus().fabric().configuration());
  if (!running) return configReset();
  configSpace().set<std::uint16_t>(
      express_ + kLinkStatus,
      static_cast<std::uint16_t>(config().get<std::uint16_t>(express_ + kLinkStatus) | kLinkActive));
  // No button: a guest would wait five seconds for a second press. Where there is a button, Linux has only the link's
  // changes reported, not those of presence.
  setSlotStatus(kPresent | kPresenceChanged | kLinkChanged);
  updateHotPlugInterrupt();
}

Result<void> RootPort::requestUnplug(hw::Device& device, hw::Unplugger& unplugger) {
  const std::lock_guard lock(pciBus().fabric().configuration());
  unplugger_ = &unplugger;
  const std::uint16_t control = slotControl();
  if ((control & kPowerIndicatorMask) == kPowerIndicatorOff) {
    // The guest does not use the slot: nobody has to be asked.
    unplugger.unplugSoon(device);
    return success();
  }
  leaving_ = true;
  setSlotStatus(kButtonPressed);
  updateHotPlugInterrupt();
  return success();
}

void RootPort::deviceGone() {
  const std::lock_guard lock(pciBus().fabric().configuration());
  if (isOccupied()) return;
  ConfigSpace& space = configSpace();
  leaving_ = false;
  space.set<std::uint16_t>(express_ + kSlotStatus,
                           static_cast<std::uint16_t>(space.get<std::uint16_t>(express_ + kSlotStatus) & ~kPresent));
  space.set<std::uint16_t>(express_ + kLinkStatus,
                           static_cast<std::uint16_t>(space.get<std::uint16_t>(express_ + kLinkStatus) & ~kLinkActive));
  setSlotStatus(kPresenceChanged | kLinkChanged);
  updateHotPlugInterrupt();
}

Result<void> RootPort::load(migrate::StateReader& from) {
  RHEA_CHECK(PciDevice::load(from));
  const std::lock_guard lock(pciBus().fabric().configuration());
  controlBefore_ = slotControl();
  leaving_ = false;
  // Messages that were sent are not sent again.
  pending_ = hotPlugHolds();
  bus_->updateWindows();
  return success();
}

std::vector<std::pair<std::size_t, std::size_t>> RootPort::freeRanges() const {
  auto ranges = PciDevice::freeRanges();
  ranges.emplace_back(express_ + kSlotStatus, 2);
  ranges.emplace_back(express_ + kLinkStatus, 2);
  return ranges;
}

}  // namespace rhea::pci
