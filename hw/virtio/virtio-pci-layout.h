// Where the windows of a virtio PCI function are, and its registers' numbers (virtio 1.2, 4.1.4).
#pragma once

#include "emu/base/base.h"

namespace rhea::virtio {

constexpr std::uint16_t kVendor = 0x1af4;
constexpr std::uint16_t kModernDevice = 0x1040;  // plus the device's type
constexpr std::uint16_t kSubsystem = 0x1100;

constexpr unsigned kLegacyBar = 0;
constexpr unsigned kMsixBar = 1;
constexpr unsigned kWindowBar = 4;
constexpr std::uint32_t kWindowSize = 0x1000;
constexpr std::uint32_t kCommonOffset = 0x0000;
constexpr std::uint32_t kCommonSize = 64;
constexpr std::uint32_t kIsrOffset = 0x1000;
constexpr std::uint32_t kDeviceOffset = 0x2000;
constexpr std::uint32_t kNotifyOffset = 0x3000;
constexpr std::uint32_t kWindowBarSize = 0x4000;
constexpr std::uint32_t kNotifyStep = 4;  // bytes between two queues' doorbells

enum WindowType : std::uint8_t {
  kCommonWindow = 1,
  kNotifyWindow = 2,
  kIsrWindow = 3,
  kDeviceWindow = 4,
  kAccessWindow = 5,  // the others through configuration space
};
constexpr std::size_t kAccessData = 16;  // in that capability

constexpr std::uint8_t kIsrQueue = 1;
constexpr std::uint8_t kIsrConfig = 2;

enum CommonRegister : std::uint8_t {
  kDeviceFeatureSelect = 0,
  kDeviceFeature = 4,
  kDriverFeatureSelect = 8,
  kDriverFeature = 12,
  kConfigVector = 16,
  kQueueCount = 18,
  kDeviceStatus = 20,
  kConfigGeneration = 21,
  kQueueSelect = 22,
  kQueueSize = 24,
  kQueueVector = 26,
  kQueueEnable = 28,
  kQueueNotifyOffset = 30,
  kQueueDescriptors = 32,
  kQueueAvailable = 40,
  kQueueUsed = 48,
};

}  // namespace rhea::virtio
