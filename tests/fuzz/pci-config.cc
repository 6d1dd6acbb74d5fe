// PCI configuration: any sequence of accesses by a guest, to a host bridge, a root port with a disk behind it and a
// disk beside it, through ECAM, the ports and the windows. Nothing but the guest's own view may suffer: afterwards a
// reset makes all of it as new.
#include <cstdlib>

#include "tests/support/pci-rig.h"

namespace rhea::test {
namespace {

struct Step {
  std::uint8_t where;
  std::uint8_t size;
  std::uint16_t offset;
  std::uint32_t value;
};
static_assert(sizeof(Step) == 8);

struct Machine {
  Machine() {
    const bool made = rig.blockdev("driver=null-co,node-name=n0,size=1048576").ok() &&
                      rig.blockdev("driver=null-co,node-name=n1,size=1048576").ok() &&
                      rig.device("pcie-root-port,id=port0,addr=2").ok() &&
                      rig.device("virtio-blk-pci,drive=n0,addr=3").ok() &&
                      rig.device("virtio-blk-pci,drive=n1,bus=port0").ok();
    if (!made) std::abort();
    rig.machineStarts();
  }
  PciRig rig;
};

void perform(PciRig& rig, const Step& step) {
  const unsigned size = 1U << (step.size % 3);
  const bool isRead = (step.size & 0x80) != 0;
  constexpr std::array<std::uint64_t, 4> kFunctions = {0, 2U << 15, 3U << 15, 1U << 20};
  std::uint64_t address = pci::PciHost::kEcamBase + kFunctions[step.where % 4] + (step.offset & 0xfff);
  if (step.where >= 0xf0) {
    // Wherever the windows are, or what a guest takes for them.
    address = (std::uint64_t{step.value} << 12) | (step.offset & 0xfff);
  } else if (step.where >= 0xe0) {
    const std::uint64_t port = 0xcf8 + (step.offset & 7);
    if (isRead) {
      (void)rig.ports().readValue(port, size);
    } else {
      rig.ports().writeValue(port, step.value, size);
    }
    return;
  }
  if (isRead) {
    (void)rig.memory().readValue(address, size);
  } else {
    rig.memory().writeValue(address, step.value, size);
  }
}

}  // namespace
}  // namespace rhea::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rhea::test;
  static Machine machine;
  constexpr std::size_t kMostSteps = 256;
  for (std::size_t i = 0; i < std::min(size / sizeof(Step), kMostSteps); ++i) {
    Step step;
    std::memcpy(&step, data + i * sizeof(Step), sizeof step);
    perform(machine.rig, step);
  }
  machine.rig.reset();
  if (machine.rig.readConfig(3, 0) != 0x10011af4 || machine.rig.readConfig(3, 4, 2) != 0) std::abort();
  return 0;
}
