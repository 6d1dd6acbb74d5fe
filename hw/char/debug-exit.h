// DebugExit: isa-debug-exit: a write of N ends the program with exit status 2 N + 1. For test guests.
#pragma once

#include "hw/isa/isa-bus.h"

namespace rhea::hw {

class DebugExit final : public Device, public mem::IoHandler {
 public:
  static void addClass(object::ClassTable& classes);
  DebugExit(const object::Class& type, const Services& services) : Device(type), services_(services) {}

  std::uint64_t read(std::uint64_t, unsigned) override { return 0; }
  void write(std::uint64_t offset, std::uint64_t value, unsigned size) override;
  Task<Result<void>> complete() override;
  Task<void> retire() override;

 private:
  friend struct DebugExitProperties;
  const Services& services_;
  std::uint32_t port_ = 0x501;
  std::uint32_t size_ = 2;
  std::optional<IsaBus::Claim> claim_;
};

}  // namespace rhea::hw
