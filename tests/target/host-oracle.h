// The host CPU as the reference of the interpreter: single instructions run natively with a given register and memory
// state, and whatever they do - a fault, a wild write, an endless loop - costs at most a child process.
//
// Instruction bytes and memory stand at fixed addresses below 2 GiB, so that every addressing form reaches them and the
// interpreter can be given the same linear addresses.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <span>

namespace rhea::x86::test {

inline constexpr std::uint64_t kCodePage = 0x10000000;
// The instruction starts here; the rest of the page is int3, the pages around it are not mapped.
inline constexpr std::uint64_t kCodeAt = kCodePage + 0x800;
inline constexpr std::uint64_t kDataPage = 0x10010000;
inline constexpr std::uint64_t kPageSize = 4096;
// The last bytes of the data page are what a trial fills and compares; the page behind them is not mapped.
inline constexpr std::size_t kWindowSize = 512;
inline constexpr std::uint64_t kWindow = kDataPage + kPageSize - kWindowSize;

// User-visible state. `fx` is the image that fxsave64 writes; the instruction and data pointers in it are not compared.
struct CpuImage {
  std::array<std::uint64_t, 16> gpr{};
  std::uint64_t rip = kCodeAt;
  std::uint64_t rflags = 0x202;
  alignas(64) std::array<std::uint8_t, 512> fx{};
  alignas(32) std::array<std::array<std::uint8_t, 32>, 16> ymm{};  // the lower halves are in fx as well; ymm counts
};

inline constexpr int kNoTrap = -1;

struct Trial {
  std::array<std::uint8_t, 32> code{};
  std::uint32_t codeSize = 0;
  CpuImage in;
  std::array<std::uint8_t, kWindowSize> memoryIn{};

  // Filled by HostOracle::run(). After a trap, `out` is the state that the kernel saw.
  CpuImage out;
  std::array<std::uint8_t, kWindowSize> memoryOut{};
  int trap = kNoTrap;  // the vector; 3 stands also for "left the instruction by a branch", with out.rip the target
  std::uint32_t errorCode = 0;
  std::uint64_t faultAddress = 0;
  bool died = false;  // the child did not survive this one, or did not come back
};

class HostOracle {
 public:
  HostOracle();
  ~HostOracle();
  HostOracle(const HostOracle&) = delete;
  HostOracle& operator=(const HostOracle&) = delete;

  // Runs all trials, in order. Several thousand a second even when each of them faults; far more when none does.
  void run(std::span<Trial> trials);

 private:
  struct Shared;
  void start();
  void stop();
  // Waits until the child is through the batch; false if it died or hung.
  bool batch();

  Shared* shared_ = nullptr;
  pid_t child_ = -1;
  int request_ = -1;
  int reply_ = -1;
};

}  // namespace rhea::x86::test
