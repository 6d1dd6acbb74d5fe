// Kernels: any file either is refused with a message or gives a plan whose pieces all lie in RAM.
#include "hw/firmware/boot-plan.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rhea::hw;
  BootFiles files;
  files.kernelName = "kernel";
  files.kernel.assign(reinterpret_cast<const char*>(data), size);
  files.commandLine = "quiet";
  files.initrd = "initrd";
  constexpr std::uint64_t kMemory = std::uint64_t{64} << 20;
  const rhea::Result<BootPlan> plan = planBoot(std::move(files), Layout::of(kMemory), Layout::kBiosBase);
  if (!plan.ok()) {
    if (plan.error().message().empty()) std::abort();
    return 0;
  }
  for (const BootPlan::Piece& piece : plan->pieces) {
    if (piece.address > kMemory || piece.bytes.size() > kMemory - piece.address) std::abort();
    if (piece.zeros > kMemory - piece.address - piece.bytes.size()) std::abort();
  }
  if (plan->entry.address >= kMemory + 0x200) std::abort();
  return 0;
}
