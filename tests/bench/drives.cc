// What many drives cost: query-block for up to 1,000 of them, and 10,000 times adding and deleting a node on a file.
//
//   RHEA_BIN=BUILD/bin/rhea BUILD/bench/drives
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/lib/emulator.h"
#include "tests/lib/growth.h"

namespace rhea::test {
namespace {

using Clock = std::chrono::steady_clock;
using Microseconds = std::chrono::duration<double, std::micro>;

double medianOf(QmpClient& client, const char* command, int times) {
  std::vector<double> waits;
  for (int time = 0; time < times; ++time) {
    const auto begin = Clock::now();
    client.send(std::string(R"({"execute": ")") + command + "\"}\n");
    static_cast<void>(client.receiveText(30));
    waits.push_back(Microseconds(Clock::now() - begin).count());
  }
  std::nth_element(waits.begin(), waits.begin() + times / 2, waits.end());
  return waits[static_cast<std::size_t>(times) / 2];
}

void measureQueries() {
  Emulator emulator;
  const auto client = emulator.connect();
  std::printf("%-10s %16s %14s %22s\n", "drives", "query-block, us", "us a drive", "query-blockstats, us");
  int drives = 0;
  for (const int wanted : {1, 10, 100, 300, 1000}) {
    for (; drives < wanted; ++drives) {
      const std::string number = std::to_string(drives);
      client->returned("human-monitor-command",
                       R"({"command-line": "drive_add 0 if=none,driver=null-co,size=1M,id=d)" + number + "\"}");
    }
    const double block = medianOf(*client, "query-block", 51);
    std::printf("%-10d %16.0f %14.2f %22.0f\n", drives, block, block / drives,
                medianOf(*client, "query-blockstats", 51));
  }
}

void measureCycles() {
  constexpr int kWarm = 500;
  constexpr int kCycles = 10'000;
  Emulator emulator;
  const auto client = emulator.connect();
  const std::string file = emulator.folder().file("disk.raw");
  std::ofstream(file) << "";
  std::filesystem::resize_file(file, 1 << 20);
  addAndDelete(*client, file, kWarm);
  const Footprint before = footprintOf(emulator.pid());
  const auto begin = Clock::now();
  addAndDelete(*client, file, kCycles);
  const double each = Microseconds(Clock::now() - begin).count() / kCycles;
  const Footprint after = footprintOf(emulator.pid());
  std::printf(
      "\n%d times blockdev-add and blockdev-del: %.0f us each; resident memory %zu -> %zu KiB, descriptors %zu -> "
      "%zu\n",
      kCycles, each, before.resident >> 10, after.resident >> 10, before.descriptors, after.descriptors);
}

}  // namespace
}  // namespace rhea::test

int main() {
  rhea::test::measureQueries();
  rhea::test::measureCycles();
}
