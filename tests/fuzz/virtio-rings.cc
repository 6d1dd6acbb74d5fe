// Virtio rings: any bytes where a driver puts descriptors, indexes and request headers. The device may do what they
// say, or wait for a reset; after a reset it serves a well-behaved driver again.
#include <cstdlib>

#include "tests/support/virtio-driver.h"

namespace rhea::test {
namespace {

constexpr unsigned kSize = 16;
constexpr std::uint64_t kRing = 0x10000;
constexpr std::uint64_t kArena = 0x20000;  // request headers and indirect tables

struct Machine {
  Machine() {
    if (!rig.blockdev("driver=null-co,node-name=n0,size=1048576,read-zeroes=on").ok() ||
        !rig.device("virtio-blk-pci,drive=n0,addr=3").ok()) {
      std::abort();
    }
  }
  PciRig rig;
};

// Descriptors of the input: addresses are bent into memory for the most part, else no fuzzer finds it.
void place(PciRig& rig, std::span<const std::uint8_t> bytes) {
  const auto fill = [&bytes](std::span<std::byte> to) {
    const std::size_t count = std::min(bytes.size(), to.size());
    std::memcpy(to.data(), bytes.data(), count);
    bytes = bytes.subspan(count);
  };
  fill(rig.ram().subspan(kRing, 16 * kSize));
  fill(rig.ram().subspan(kArena, 1024));
  for (unsigned i = 0; i < kSize; ++i) {
    std::uint64_t& address = rig.at<std::uint64_t>(kRing + 16 * i);
    if ((address >> 56) != 0xff) address = kArena + address % 0x1000;
    std::uint32_t& length = rig.at<std::uint32_t>(kRing + 16 * i + 8);
    if ((length >> 24) != 0xff) length %= 0x2000;
  }
}

void requireServed(PciRig& rig) {
  BlkDriver guest(rig, 3, virtio::bit(9));
  if (!guest.agreed() || guest.read(0, 1) != std::string(1, '\0')) std::abort();
}

}  // namespace
}  // namespace rhea::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rhea;
  using namespace rhea::test;
  static Machine machine;
  if (size < 8) return 0;
  VirtioDriver driver(machine.rig, 3);
  std::uint64_t features = virtio::kVersion1 | virtio::bit(9) | virtio::bit(13) | virtio::bit(14);
  if ((data[0] & 1) != 0) features |= virtio::kIndirect;
  if ((data[0] & 2) != 0) features |= virtio::kEventIndex;
  if (!driver.negotiate(features)) std::abort();
  driver.enableMsix(2, 0x40);
  const GuestQueue queue = driver.setUpQueue(0, kRing, kSize);
  place(machine.rig, {data + 8, size - 8});
  driver.driverOk();
  for (unsigned i = 0; i < kSize; ++i) {
    machine.rig.at<std::uint16_t>(queue.available() + 4 + 2 * i) = data[1 + i % 6];
  }
  machine.rig.at<std::uint16_t>(queue.available() + 2) = static_cast<std::uint16_t>(data[7] % 24);
  driver.notify(0);
  // What is under way ends before the reset does, with which the next round begins.
  static unsigned rounds = 0;
  if (++rounds % 64 == 0) requireServed(machine.rig);
  return 0;
}
