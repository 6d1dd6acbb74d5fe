// A virtual CPU in user mode whose memory shows the oracle's code page and data page at the oracle's addresses,
// and nothing else to user code. Runs trials as the host does.
#pragma once

#include "emu/object/virtual-clock.h"
#include "target/x86/cpu.h"
#include "tests/target/host-oracle.h"

namespace rhea::x86::test {

// What its code is: 64-bit code, 32-bit code under a 64-bit system, or under a 32-bit one (with PAE). In the latter two
// segments are flat but for FS and GS (tests/target/row-trial.h).
enum class GuestMode : std::uint8_t { k64, kCompatible, kProtected };

class TestGuest {
 public:
  // `clock`: of the time-stamp counter; without one it stands at zero.
  explicit TestGuest(std::string_view model = "max", const object::VirtualClock* clock = nullptr,
                     GuestMode mode = GuestMode::k64);
  ~TestGuest();

  // Runs `count` instructions of trial.code on the virtual CPU from trial.in; answers what run() of the oracle answers
  // in `out`, `memoryOut`, `trap`, `errorCode`, `faultAddress`.
  Trial run(const Trial& trial, unsigned count = 1);

  // Runs `code` until it traps; `start` says from what state. Unlike run() by the CPU's own loop, translated or not.
  Trial runToTrap(std::span<const std::uint8_t> code, const Trial& start);

  // Behind the data page lies another one from now on, far from it in RAM; empty when runToTrap() begins.
  void mapBehind(bool writable);
  std::vector<std::byte> behind();

  Cpu& cpu() { return *cpu_; }
  // What every run() starts from besides the trial's registers: control registers, segments, XCR0.
  State& start() { return user_; }
  mem::AddressSpace& memory() { return memory_; }

 private:
  // The handlers of all traps write here, and the CPU's loop ends.
  struct EndPort final : mem::IoHandler {
    AccessSizes accessSizes() const override { return {1, 4}; }
    std::uint64_t read(std::uint64_t, unsigned) override { return 0; }
    void write(std::uint64_t, std::uint64_t, unsigned) override { cpu->post(cpu::kPause); }
    Cpu* cpu = nullptr;
  };

  void buildTables();
  void prepare(std::span<const std::uint8_t> code, const Trial& trial);
  Trial outcome(const Trial& trial);
  void load(const CpuImage& image);
  CpuImage image() const;

  mem::RamBlockPtr ram_;
  mem::AddressSpace memory_{"memory", 0};
  mem::AddressSpace ports_{"ports", 0x10000};
  EndPort endPort_;
  mem::AddressSpace::Mapping mapping_, portMapping_;
  const GuestMode mode_;
  Model model_;
  std::unique_ptr<Cpu> cpu_;
  State user_;  // user mode, registers empty
};

}  // namespace rhea::x86::test
