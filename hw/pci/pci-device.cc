#include "hw/pci/pci-device.h"

#include "emu/base/bug.h"

namespace rhea::pci {

const object::Property PciDevice::kProperties[] = {
    object::field<&PciDevice::wanted_>("addr", "\"\"", "device and function number on the bus, in hexadecimal: 06.0"),
    object::field<&PciDevice::multifunction_>("multifunction", "false",
                                              "whether functions 1 to 7 of the same device may be there too"),
};

void PciDevice::addClass(object::ClassTable& classes) {
  object::Class type;
  type.name = "pci-device";
  type.parent = "device";
  type.doc = "a PCI function";
  type.isAbstract = true;
  type.properties = kProperties;
  type.plugsInto = PciBus::kKind;
  classes.add(std::move(type));
}

PciDevice::~PciDevice() = default;

PciBus& PciDevice::pciBus() const { return static_cast<PciBus&>(*bus()); }

void PciDevice::identify(const PciIdentity& identity, std::uint8_t headerType) {
  config_.set<std::uint16_t>(kVendorId, identity.vendor);
  config_.set<std::uint16_t>(kDeviceId, identity.device);
  config_.set<std::uint32_t>(kRevision, identity.revision | (identity.classCode << 8));
  config_.set<std::uint8_t>(kHeaderType, static_cast<std::uint8_t>(headerType | (multifunction_ ? kMultifunction : 0)));
  config_.writable<std::uint16_t>(
      kCommand, kCommandIo | kCommandMemory | kCommandBusMaster | kCommandParity | kCommandSerr | kCommandIntxDisable);
  config_.clearable<std::uint16_t>(kStatus, kStatusErrors);
  config_.writable<std::uint8_t>(kCacheLineSize, 0xff);
  config_.writable<std::uint8_t>(kInterruptLine, 0xff);
  if (headerType == 0) {
    config_.set<std::uint16_t>(kSubsystemVendorId, identity.subsystemVendor);
    config_.set<std::uint16_t>(kSubsystemId, identity.subsystem);
  }
}

std::uint8_t PciDevice::addCapability(CapabilityId id, std::size_t size) {
  const std::size_t at = nextCapability_;
  nextCapability_ = (at + size + 3) / 4 * 4;
  if (nextCapability_ > 256) bug("a PCI function has more capabilities than fit");
  config_.set<std::uint8_t>(at, id);
  config_.set<std::uint8_t>(at + 1, config_.get<std::uint8_t>(kCapabilities));
  config_.set<std::uint8_t>(kCapabilities, static_cast<std::uint8_t>(at));
  config_.set<std::uint16_t>(kStatus, config_.get<std::uint16_t>(kStatus) | kStatusCapabilities);
  return static_cast<std::uint8_t>(at);
}

void PciDevice::addBar(unsigned index, BarKind kind, std::uint64_t size) {
  Bar& bar = bars_[index] = Bar(kind, size);
  const std::size_t at = kBar0 + 4 * std::size_t{index};
  config_.set<std::uint32_t>(at, bar.typeBits());
  const std::uint64_t mask = ~(size - 1);
  config_.writable<std::uint32_t>(at, static_cast<std::uint32_t>(mask));
  if (bar.is64()) config_.writable<std::uint32_t>(at + 4, static_cast<std::uint32_t>(mask >> 32));
}

void PciDevice::addBarPart(unsigned index, std::string name, std::uint64_t offset, std::uint64_t size,
                           mem::Target target) {
  bars_[index].addPart(std::move(name), offset, size, std::move(target));
}

void PciDevice::addIntx() { config_.set<std::uint8_t>(kInterruptPin, 1); }

void PciDevice::addMsix(unsigned vectors, unsigned index) {
  msix_ = std::make_unique<Msix>(pciBus().fabric().msi(), vectors);
  // The table in the first half, the pending bits in the second: a guest may map their pages apart.
  std::uint64_t half = mem::kPageSize / 2;
  while (half < msix_->tableSize()) half *= 2;
  addBar(index, BarKind::kMemory32, 2 * half);
  addBarPart(index, fmt::format("{} msix-table", type().name), 0, msix_->tableSize(), mem::Target::io(msix_->table()));
  addBarPart(index, fmt::format("{} msix-pba", type().name), half, msix_->pendingSize(),
             mem::Target::io(msix_->pending()));
  msixCapability_ = addCapability(kCapMsix, 12);
  config_.set<std::uint16_t>(msixCapability_ + 2U, static_cast<std::uint16_t>(vectors - 1));
  config_.writable<std::uint16_t>(msixCapability_ + 2U, 0xc000);
  config_.set<std::uint32_t>(msixCapability_ + 4U, index);
  config_.set<std::uint32_t>(msixCapability_ + 8U, static_cast<std::uint32_t>(half) | index);
}

std::uint8_t PciDevice::addExpress(ExpressType type) {
  const std::uint8_t at = addCapability(kCapExpress, kExpressSize);
  const bool isPort = type == ExpressType::kRootPort;
  config_.set<std::uint16_t>(
      at + kExpressFlags, static_cast<std::uint16_t>(2U | (static_cast<unsigned>(type) << 4) | (isPort ? 0x100 : 0)));
  config_.set<std::uint32_t>(at + kDeviceCapabilities, 1U << 15);  // role-based error reporting
  config_.writable<std::uint16_t>(at + kDeviceControl, 0x78ef);    // error reports, payload, request size, snoop
  config_.clearable<std::uint16_t>(at + kDeviceStatus, 0x000f);
  if (type == ExpressType::kRootIntegrated) return at;
  config_.set<std::uint32_t>(at + kLinkCapabilities, 0x00000011);  // one lane of 2.5 GT/s
  config_.set<std::uint16_t>(at + kLinkStatus, 0x0011);
  config_.writable<std::uint16_t>(at + kLinkControl, 0x00c3);
  config_.set<std::uint32_t>(at + kLinkCapabilities2, 1U << 1);
  return at;
}

void PciDevice::addPowerManagement() {
  const std::uint8_t at = addCapability(kCapPowerManagement, 8);
  config_.set<std::uint16_t>(at + 2U, 3);        // version 1.2
  config_.set<std::uint16_t>(at + 4U, 1U << 3);  // state is kept over D3hot to D0
  config_.writable<std::uint16_t>(at + 4U, 0x0003);
}

void PciDevice::setUp() {
  config_.seal();
  connected_ = true;
}

std::uint32_t PciDevice::readConfig(std::size_t offset, unsigned size) {
  if (touches(offset, size, kStatus, 2)) {
    const std::lock_guard lock(intxGuard_);
    const auto status = static_cast<std::uint16_t>(config_.get<std::uint16_t>(kStatus) & ~kStatusInterrupt);
    config_.set<std::uint16_t>(kStatus, static_cast<std::uint16_t>(status | (intxLevel_ ? kStatusInterrupt : 0)));
  }
  configRead(offset, size);
  return config_.read(offset, size);
}

void PciDevice::writeConfig(std::size_t offset, std::uint32_t value, unsigned size) {
  config_.write(offset, value, size);
  const bool command = touches(offset, size, kCommand, 2);
  if (command || touches(offset, size, kBar0, 4 * kBars)) updateWindows();
  if (msix_ != nullptr && touches(offset, size, msixCapability_ + 2U, 2)) updateInterrupts();
  configWritten(offset, size);
}

std::optional<std::uint64_t> PciDevice::addressOf(unsigned index) const {
  const Bar& bar = bars_[index];
  const auto command = config_.get<std::uint16_t>(kCommand);
  if (!connected_ || (command & (bar.isIo() ? kCommandIo : kCommandMemory)) == 0) return std::nullopt;
  const std::size_t at = kBar0 + 4 * std::size_t{index};
  std::uint64_t address = config_.get<std::uint32_t>(at);
  if (bar.is64()) address |= std::uint64_t{config_.get<std::uint32_t>(at + 4)} << 32;
  address &= ~(bar.size() - 1);
  // What nobody has placed yet, or what a guest wrote to learn the size, is no place.
  const std::uint64_t top = bar.isIo() ? 0xffff : bar.is64() ? UINT64_MAX : 0xffffffff;
  if (address == 0 || address >= top - (bar.size() - 1)) return std::nullopt;
  if (!pciBus().reaches(bar, address)) return std::nullopt;
  return address;
}

void PciDevice::updateWindows() {
  Fabric& fabric = pciBus().fabric();
  {
    const mem::AddressSpace::Change memory(fabric.memory());
    const mem::AddressSpace::Change ports(fabric.ports());
    for (unsigned index = 0; index < kBars; ++index) {
      Bar& bar = bars_[index];
      if (bar.kind() == BarKind::kNone) continue;
      bar.moveTo(addressOf(index), bar.isIo() ? fabric.ports() : fabric.memory());
    }
  }
  updateInterrupts();
}

void PciDevice::updateInterrupts() {
  const auto command = config_.get<std::uint16_t>(kCommand);
  const bool master = connected_ && (command & kCommandBusMaster) != 0 && pciBus().forwardsUp();
  busMaster_.store(master, std::memory_order_release);
  if (msix_ != nullptr) {
    const auto control = config_.get<std::uint16_t>(msixCapability_ + 2U);
    msix_->control((control & 0x8000) != 0, (control & 0x4000) != 0, master);
  }
  const std::lock_guard lock(intxGuard_);
  intxDisabled_ = !connected_ || (command & kCommandIntxDisable) != 0;
  driveIntx();
}

unsigned PciDevice::intxLine() const {
  unsigned line = Fabric::rotated(place_.device, 0);
  for (const BridgeWindows* above = pciBus().above(); above != nullptr;) {
    PciDevice& bridge = const_cast<BridgeWindows*>(above)->bridge();
    line = Fabric::rotated(bridge.place().device, line);
    above = bridge.pciBus().above();
  }
  return line;
}

void PciDevice::setIntx(bool high) {
  const std::lock_guard lock(intxGuard_);
  intxLevel_ = high;
  driveIntx();
}

void PciDevice::driveIntx() {
  const bool drive = intxLevel_ && !intxDisabled_;
  if (drive == std::exchange(intxDriven_, drive)) return;
  pciBus().fabric().assertLine(intxLine(), drive);
}

void PciDevice::disconnect() {
  connected_ = false;
  updateWindows();
}

Task<void> PciDevice::reset() {
  setIntx(false);
  const std::lock_guard lock(pciBus().fabric().configuration());
  config_.reset();
  if (msix_ != nullptr) msix_->reset();
  configReset();
  updateWindows();
  co_return;
}

std::vector<std::pair<std::size_t, std::size_t>> PciDevice::freeRanges() const { return {{kStatus, 2}}; }

void PciDevice::save(migrate::StateWriter& to) const {
  to.putBytes("config", config_.bytes());
  {
    const std::lock_guard lock(intxGuard_);
    to.put("intx", intxLevel_);
  }
  if (msix_ == nullptr) return;
  migrate::StateWriter msix;
  msix_->save(msix);
  to.putSection("msix", msix);
}

Result<void> PciDevice::load(migrate::StateReader& from) {
  RHEA_CHECK(loadFunction(from));
  return from.finish();
}

Result<void> PciDevice::loadFunction(migrate::StateReader& from) {
  const std::lock_guard lock(pciBus().fabric().configuration());
  RHEA_TRY(const std::span<const std::byte> bytes, from.bytes("config", ConfigSpace::kSize));
  if (bytes.size() != ConfigSpace::kSize) return Error("the saved configuration space is too short");
  const auto free = freeRanges();
  RHEA_CHECK(config_.load(bytes, free));
  bool level = false;
  RHEA_CHECK(from.get("intx", level));
  if (msix_ != nullptr) {
    RHEA_TRY(migrate::StateReader msix, from.section("msix"));
    RHEA_CHECK(msix_->load(msix));
    RHEA_CHECK(msix.finish());
  }
  setIntx(level);
  updateWindows();
  return success();
}

}  // namespace rhea::pci
