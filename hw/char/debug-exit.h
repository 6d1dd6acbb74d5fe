// DebugExit: isa-debug-exit: a write of N ends the program with exit status 2 N + 1. For test guests.
#pragma once

#include "emu/mem/io-handler.h"
#include "hw/core/device.h"

namespace rhea::hw {

class DebugExit final : public Device, public mem::IoHandler {
 public:
  static constexpr std::uint64_t kDefaultPort = 0x501;

  // `leave` is called on the vCPU's thread with the exit status.
  DebugExit(const object::Class& type, std::function<void(int)> leave) : Device(type), leave_(std::move(leave)) {}

  std::uint64_t read(std::uint64_t, unsigned) override { return 0; }
  void write(std::uint64_t, std::uint64_t value, unsigned) override {
    constexpr std::uint64_t kStatusBits = 0x7f;
    leave_(static_cast<int>((value & kStatusBits) << 1) | 1);
  }

 private:
  std::function<void(int)> leave_;
};

}  // namespace rhea::hw
