// Adding and deleting for ever costs nothing for ever: neither memory nor descriptors grow. RHEA_SOAK runs the cycles
// for so many seconds.
#include "tests/lib/growth.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "tests/lib/emulator.h"

namespace rhea::test {

namespace {

constexpr int kWarm = 300;
constexpr int kCycles = 1500;
// What the allocator may still take after the first cycles; at 100 bytes a cycle left behind it would be more.
constexpr std::size_t kMostGrowth = std::size_t{128} << 10;

int cycles() {
  const char* soak = std::getenv("RHEA_SOAK");
  return soak == nullptr ? kCycles : kCycles * std::max(1, std::atoi(soak));
}

}  // namespace

TEST(Growth, AddingAndDeletingFileNodesLeavesNothingBehind) {
  Emulator emulator;
  const auto client = emulator.connect();
  const std::string file = emulator.folder().file("disk.raw");
  std::ofstream(file) << "";
  std::filesystem::resize_file(file, 1 << 20);
  addAndDelete(*client, file, kWarm);
  const Footprint before = footprintOf(emulator.pid());
  addAndDelete(*client, file, cycles());
  const Footprint after = footprintOf(emulator.pid());
  EXPECT_LE(after.descriptors, before.descriptors);
  std::printf("  resident memory %zu -> %zu KiB, descriptors %zu -> %zu\n", before.resident >> 10, after.resident >> 10,
              before.descriptors, after.descriptors);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LE(after.resident, before.resident + kMostGrowth);
#endif
}

}  // namespace rhea::test
