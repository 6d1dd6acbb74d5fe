// While a real file system does not answer (open, stat, close included), a client that needs it waits, and nobody else.
//
// The bound is generous, since tests run on loaded hosts; BUILD/bench/frozen-storage measures.
#include <gtest/gtest.h>

#include <thread>

#include "tests/lib/frozen-rows.h"

namespace rhea::test {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kFrozen = std::chrono::seconds(6);
constexpr double kUsual = 250;      // ms, of the median
constexpr double kWorst = 2000;     // ms, of any; what stalled would take as long as the storage is frozen
constexpr double kAfterwards = 20;  // s, for the answer of the client that waits

bool quits(const FrozenRow& row) { return std::string_view(row.command) == "quit"; }

}  // namespace

// All rows at once, each with a program and a file system of its own, so that six seconds are enough for all.
TEST(FrozenStorage, NobodyWaitsButWhoAskedForIt) {
  std::vector<std::unique_ptr<FrozenMachine>> machines;
  for (const FrozenRow& row : frozenRows()) {
    machines.push_back(std::make_unique<FrozenMachine>(row));
    if (!machines.back()->why().empty()) GTEST_SKIP() << machines.back()->why();
  }
  for (const auto& machine : machines) EXPECT_TRUE(machine->begin()) << machine->row().name;
  const auto end = Clock::now() + kFrozen;
  while (Clock::now() < end) {
    for (const auto& machine : machines) {
      const bool there = machine->question();
      EXPECT_TRUE(there || quits(machine->row())) << machine->row().name;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  for (const auto& machine : machines) {
    SCOPED_TRACE(machine->row().name);
    const std::vector<double> waits = machine->waits();
    ASSERT_FALSE(waits.empty());
    std::printf("  %-24s median %6.2f ms, worst %7.2f ms, %zu questions\n", machine->row().name,
                waits[waits.size() / 2], waits.back(), waits.size());
    EXPECT_LT(waits[waits.size() / 2], kUsual);
    EXPECT_LT(waits.back(), kWorst);
    EXPECT_EQ(machine->answered(0), quits(machine->row()));
  }
  for (const auto& machine : machines) machine->end();
  for (const auto& machine : machines) {
    SCOPED_TRACE(machine->row().name);
    EXPECT_TRUE(machine->answered(kAfterwards));
    EXPECT_TRUE(machine->answer().find("return")) << machine->answer().text();
  }
}

}  // namespace rhea::test
