// How long other clients wait for query-status while a file system does not answer: one command after the other that
// needs it, six seconds each. The promise is 5 ms in every row.
//
//   RHEA_BIN=BUILD/bin/rhea BUILD/bench/frozen-storage [SECONDS=6]
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "tests/lib/frozen-rows.h"

namespace rhea::test {
namespace {

constexpr double kPromised = 5;  // ms
constexpr auto kBetween = std::chrono::milliseconds(5);

bool measure(const FrozenRow& row, std::chrono::duration<double> frozen) {
  FrozenMachine machine(row);
  if (!machine.why().empty()) {
    std::printf("not measured: %s\n", machine.why().c_str());
    return false;
  }
  if (!machine.begin()) std::printf("%-24s needs nothing of the file system\n", row.name);
  const auto end = std::chrono::steady_clock::now() + frozen;
  while (std::chrono::steady_clock::now() < end && machine.question()) std::this_thread::sleep_for(kBetween);
  const std::vector<double> waits = machine.waits();
  std::printf("%-24s %9.3f %9.3f %9.3f %10zu  %s\n", row.name, waits[waits.size() / 2], waits[waits.size() * 99 / 100],
              waits.back(), waits.size(), waits.back() < kPromised ? "kept" : "missed");
  std::fflush(stdout);
  machine.end();
  machine.answered(10);
  return true;
}

}  // namespace
}  // namespace rhea::test

int main(int count, char** words) {
  const std::chrono::duration<double> frozen(count > 1 ? std::atof(words[1]) : 6);
  std::printf("query-status of another client while the file system hangs, in ms\n");
  std::printf("%-24s %9s %9s %9s %10s  under 5 ms\n", "command that hangs", "median", "99 %", "worst", "questions");
  for (const rhea::test::FrozenRow& row : rhea::test::frozenRows()) {
    if (!rhea::test::measure(row, frozen)) break;
  }
}
