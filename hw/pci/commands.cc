// The commands of qapi/pci.json.
#include "emu/object/tree.h"
#include "hw/core/device-tree.h"
#include "hw/pci/pci-host.h"
#include "qapi/commands-pci.h"
#include "qapi/human-pci.h"

namespace rhea {

namespace {

using pci::ConfigSpace;
using pci::PciBus;
using pci::PciDevice;

struct ClassName {
  std::uint16_t code;
  std::string_view name;
};
// Those that this program's devices have (PCI Code and ID Assignment 1.11, 1).
constexpr ClassName kClassNames[] = {
    {0x00ff, "Other device"},    {0x0100, "SCSI controller"},
    {0x0106, "SATA controller"}, {0x0200, "Ethernet controller"},
    {0x0300, "VGA controller"},  {0x0600, "Host bridge"},
    {0x0601, "ISA bridge"},      {0x0604, "PCI bridge"},
    {0x0c03, "USB controller"},  {0x0c05, "SMBus"},
};

qapi::PciMemoryRange rangeOf(std::uint64_t base, std::uint64_t limit) {
  qapi::PciMemoryRange range;
  range.base = static_cast<std::int64_t>(base);
  range.limit = static_cast<std::int64_t>(limit);
  return range;
}

std::vector<qapi::PciDeviceInfo> functionsOf(const PciBus& bus);

qapi::PciBridgeInfo bridgeOf(const PciDevice& function, const PciBus& behind) {
  const ConfigSpace& config = function.config();
  const auto wide = [&config](std::size_t low, std::size_t high) {
    return (std::uint64_t{config.get<std::uint32_t>(high)} << 32) |
           (std::uint64_t{config.get<std::uint16_t>(low) & 0xfff0U} << 16);
  };
  const auto port = [&config](std::size_t low, std::size_t high) {
    return (std::uint64_t{config.get<std::uint16_t>(high)} << 16) |
           (std::uint64_t{config.get<std::uint8_t>(low) & 0xf0U} << 8);
  };
  qapi::PciBridgeInfo info;
  info.bus.number = config.get<std::uint8_t>(pci::kPrimaryBus);
  info.bus.secondary = config.get<std::uint8_t>(pci::kSecondaryBus);
  info.bus.subordinate = config.get<std::uint8_t>(pci::kSubordinateBus);
  info.bus.ioRange = rangeOf(port(pci::kIoBase, pci::kIoBaseHigh), port(pci::kIoLimit, pci::kIoLimitHigh) | 0xfff);
  info.bus.memoryRange =
      rangeOf(std::uint64_t{config.get<std::uint16_t>(pci::kMemoryBase) & 0xfff0U} << 16,
              (std::uint64_t{config.get<std::uint16_t>(pci::kMemoryLimit) & 0xfff0U} << 16) | 0xfffff);
  info.bus.prefetchableRange = rangeOf(wide(pci::kPrefetchBase, pci::kPrefetchBaseHigh),
                                       wide(pci::kPrefetchLimit, pci::kPrefetchLimitHigh) | 0xfffff);
  info.devices = functionsOf(behind);
  return info;
}

std::vector<qapi::PciMemoryRegion> regionsOf(const PciDevice& function) {
  std::vector<qapi::PciMemoryRegion> regions;
  for (unsigned index = 0; index < PciDevice::kBars; ++index) {
    const pci::Bar& bar = function.bar(index);
    if (bar.kind() == pci::BarKind::kNone) continue;
    qapi::PciMemoryRegion region;
    region.bar = index;
    region.type = bar.isIo() ? "io" : "memory";
    region.address = bar.at() ? static_cast<std::int64_t>(*bar.at()) : -1;
    region.size = static_cast<std::int64_t>(bar.size());
    if (!bar.isIo()) {
      region.prefetch = bar.isPrefetch();
      region.memType64 = bar.is64();
    }
    regions.push_back(std::move(region));
  }
  return regions;
}

qapi::PciDeviceInfo infoOf(const PciBus& bus, PciDevice& function) {
  const ConfigSpace& config = function.config();
  qapi::PciDeviceInfo info;
  info.bus = bus.number();
  info.slot = function.place().device;
  info.function = function.place().function;
  const auto code = config.get<std::uint16_t>(pci::kClassCode + 1);
  info.classInfo.class_ = code;
  const auto* known = std::ranges::find(kClassNames, code, &ClassName::code);
  if (known != std::end(kClassNames)) info.classInfo.desc = std::string(known->name);
  info.id.vendor = config.get<std::uint16_t>(pci::kVendorId);
  info.id.device = config.get<std::uint16_t>(pci::kDeviceId);
  info.irqPin = config.get<std::uint8_t>(pci::kInterruptPin);
  if (info.irqPin != 0) info.irq = config.get<std::uint8_t>(pci::kInterruptLine);
  info.qdevId = function.id();
  info.regions = regionsOf(function);
  if (pci::BridgeWindows* bridge = function.asBridge(); bridge != nullptr) {
    info.pciBridge = bridgeOf(function, bridge->secondary());
  } else {
    info.id.subsystem = config.get<std::uint16_t>(pci::kSubsystemId);
    info.id.subsystemVendor = config.get<std::uint16_t>(pci::kSubsystemVendorId);
  }
  return info;
}

std::vector<qapi::PciDeviceInfo> functionsOf(const PciBus& bus) {
  std::vector<qapi::PciDeviceInfo> list;
  for (PciDevice* function : bus.functions()) {
    if (function != nullptr) list.push_back(infoOf(bus, *function));
  }
  return list;
}

std::vector<qapi::PciInfo> allOf(const hw::DeviceTree& devices) {
  std::vector<qapi::PciInfo> list;
  for (hw::Bus* each : devices.buses()) {
    const auto* bus = dynamic_cast<const PciBus*>(each);
    if (bus == nullptr || bus->above() != nullptr) continue;
    const std::lock_guard lock(bus->fabric().configuration());
    qapi::PciInfo info;
    info.bus = bus->number();
    info.devices = functionsOf(*bus);
    list.push_back(std::move(info));
  }
  return list;
}

void draw(const std::vector<qapi::PciDeviceInfo>& functions, std::string& text) {
  for (const qapi::PciDeviceInfo& function : functions) {
    text += fmt::format("  Bus {:2}, device {:3}, function {}:\n    {}: PCI device {:04x}:{:04x}\n", function.bus,
                        function.slot, function.function, function.classInfo.desc.value_or("Device"),
                        function.id.vendor, function.id.device);
    if (function.id.subsystem) {
      text += fmt::format("      PCI subsystem {:04x}:{:04x}\n", *function.id.subsystemVendor, *function.id.subsystem);
    }
    if (function.irq) {
      text += fmt::format("      IRQ {}, pin {}\n", *function.irq, static_cast<char>('A' + function.irqPin - 1));
    }
    if (function.pciBridge) {
      const qapi::PciBusInfo& bus = function.pciBridge->bus;
      text += fmt::format("      BUS {}.\n      secondary bus {}.\n      subordinate bus {}.\n", bus.number,
                          bus.secondary, bus.subordinate);
      text += fmt::format("      IO range [{:#06x}, {:#06x}]\n      memory range [{:#010x}, {:#010x}]\n",
                          bus.ioRange.base, bus.ioRange.limit, bus.memoryRange.base, bus.memoryRange.limit);
      text += fmt::format("      prefetchable memory range [{:#010x}, {:#010x}]\n", bus.prefetchableRange.base,
                          bus.prefetchableRange.limit);
    }
    for (const qapi::PciMemoryRegion& region : function.regions) {
      const std::string kind = region.type == "io"
                                   ? "I/O"
                                   : fmt::format("{} bit{} memory", region.memType64.value_or(false) ? 64 : 32,
                                                 region.prefetch.value_or(false) ? " prefetchable" : "");
      const std::string where = region.address < 0
                                    ? "nowhere"
                                    : fmt::format("[{:#x} - {:#x}]", region.address, region.address + region.size - 1);
      text += fmt::format("      BAR{}: {} at {}, {:#x} bytes\n", region.bar, kind, where, region.size);
    }
    text += fmt::format("      id \"{}\"\n", function.qdevId);
    if (function.pciBridge && function.pciBridge->devices) draw(*function.pciBridge->devices, text);
  }
}

}  // namespace

Task<Result<std::vector<qapi::PciInfo>>> Command<qapi::QueryPci>::run(CommandContext context, qapi::QueryPci) {
  co_return allOf(context.get<hw::DeviceTree>());
}

Task<Result<HumanOutput>> HumanCommand<qapi::human::InfoPci>::run(CommandContext context, qapi::human::InfoPci) {
  std::string text;
  const std::vector<qapi::PciInfo> buses = allOf(context.get<hw::DeviceTree>());
  for (const qapi::PciInfo& bus : buses) draw(bus.devices, text);
  if (buses.empty()) text = "This machine has no PCI bus.\n";
  co_return HumanOutput(std::move(text), json::toText(buses));
}

}  // namespace rhea
