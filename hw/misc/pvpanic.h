// PvPanic: pvpanic: the guest's kernel tells of its own crash. Source: QEMU, docs/specs/pvpanic.txt (the interface that
// Linux's driver knows).
#pragma once

#include "hw/isa/isa-bus.h"

namespace rhea::hw {

class PvPanic final : public Device, public mem::IoHandler {
 public:
  static constexpr std::uint16_t kDefaultPort = 0x505;

  static void addClass(object::ClassTable& classes);
  explicit PvPanic(const object::Class& type) : Device(type) {}

  std::uint64_t read(std::uint64_t, unsigned) override { return events_; }
  void write(std::uint64_t offset, std::uint64_t value, unsigned size) override;
  AccessSizes accessSizes() const override { return {1, 1}; }
  Task<Result<void>> complete() override;
  Task<void> retire() override;

  std::uint16_t port() const { return static_cast<std::uint16_t>(port_); }

 private:
  friend struct PvPanicProperties;
  static constexpr std::uint8_t kPanicked = 1, kCrashLoaded = 2;
  std::uint32_t events_ = kPanicked | kCrashLoaded;
  std::uint32_t port_ = kDefaultPort;
  std::optional<IsaBus::Claim> claim_;
};

}  // namespace rhea::hw
