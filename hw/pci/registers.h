// The registers of PCI configuration space that several files speak of. Sources: PCI Local Bus 3.0, chapter 6; PCI
// Express Base 5.0, chapter 7; PCI-to-PCI Bridge 1.2, chapter 3.
#pragma once

#include "emu/base/base.h"

namespace rhea::pci {

enum Register : std::uint16_t {
  kVendorId = 0x00,
  kDeviceId = 0x02,
  kCommand = 0x04,
  kStatus = 0x06,
  kRevision = 0x08,
  kClassCode = 0x09,  // 3 bytes
  kCacheLineSize = 0x0c,
  kHeaderType = 0x0e,
  kBar0 = 0x10,
  kSubsystemVendorId = 0x2c,
  kSubsystemId = 0x2e,
  kCapabilities = 0x34,
  kInterruptLine = 0x3c,
  kInterruptPin = 0x3d,
  // Bridges (header type 1).
  kPrimaryBus = 0x18,
  kSecondaryBus = 0x19,
  kSubordinateBus = 0x1a,
  kIoBase = 0x1c,
  kIoLimit = 0x1d,
  kSecondaryStatus = 0x1e,
  kMemoryBase = 0x20,
  kMemoryLimit = 0x22,
  kPrefetchBase = 0x24,
  kPrefetchLimit = 0x26,
  kPrefetchBaseHigh = 0x28,
  kPrefetchLimitHigh = 0x2c,
  kIoBaseHigh = 0x30,
  kIoLimitHigh = 0x32,
  kBridgeCapabilities = 0x34,
  kBridgeControl = 0x3e,
};

enum CommandBit : std::uint16_t {
  kCommandIo = 1U << 0,
  kCommandMemory = 1U << 1,
  kCommandBusMaster = 1U << 2,
  kCommandParity = 1U << 6,
  kCommandSerr = 1U << 8,
  kCommandIntxDisable = 1U << 10,
};

enum StatusBit : std::uint16_t {
  kStatusInterrupt = 1U << 3,
  kStatusCapabilities = 1U << 4,
  kStatusErrors = 0xf900,  // written with ones to clear
};

enum CapabilityId : std::uint8_t {
  kCapPowerManagement = 0x01,
  kCapMsi = 0x05,
  kCapVendor = 0x09,
  kCapSubsystem = 0x0d,
  kCapExpress = 0x10,
  kCapMsix = 0x11,
};

constexpr std::uint8_t kMultifunction = 0x80;  // of the header type

// PCIe capability, offsets within it.
enum ExpressRegister : std::uint8_t {
  kExpressFlags = 0x02,
  kDeviceCapabilities = 0x04,
  kDeviceControl = 0x08,
  kDeviceStatus = 0x0a,
  kLinkCapabilities = 0x0c,
  kLinkControl = 0x10,
  kLinkStatus = 0x12,
  kSlotCapabilities = 0x14,
  kSlotControl = 0x18,
  kSlotStatus = 0x1a,
  kRootControl = 0x1c,
  kRootStatus = 0x20,
  kDeviceControl2 = 0x28,
  kLinkCapabilities2 = 0x2c,
  kLinkControl2 = 0x30,
  kExpressSize = 0x3c,
};

}  // namespace rhea::pci
