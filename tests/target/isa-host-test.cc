// Every row of the instruction table on the virtual CPU and on the host's: random operands, random state, everything
// that is defined afterwards compared. RHEA_SOAK=SECONDS goes on for that long with new numbers.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <set>
#include <vector>

#include "tests/target/guest.h"
#include "tests/target/row-trial.h"
#include "tests/target/trial-difference.h"

namespace rhea::x86::test {
namespace {

// RHEA_ROW=NAME tries only rows of that name.
bool wanted(const Row& row) {
  const char* const only = std::getenv("RHEA_ROW");
  return only == nullptr || std::string_view(only) == row.name;
}

// Collects trials of many rows before the oracle is asked: each question costs two switches between processes.
class Session {
 public:
  void add(const Row& row, std::uint64_t seed, std::size_t count) {
    Random random(seed);
    for (std::size_t n = 0; n < count; ++n) {
      trials_.push_back(makeTrial(row, random));
      rows_.push_back(&row);
    }
    if (trials_.size() >= 1000) finish();
  }
  // Runs what was collected, and reports the first difference of each instruction.
  void finish() {
    oracle_.run(trials_);
    for (std::size_t n = 0; n < trials_.size(); ++n) {
      if (!failed_.contains(rows_[n]->name)) compare(*rows_[n], trials_[n]);
    }
    tried_ += trials_.size();
    trials_.clear();
    rows_.clear();
  }
  bool failed(const Row& row) const { return failed_.contains(row.name); }
  const std::set<std::string>& failed() const { return failed_; }
  std::size_t tried() const { return tried_; }

 private:
  void compare(const Row& row, const Trial& host) {
    std::string text;
    if (host.died) {
      text = "  the host did not come back\n";
    } else {
      text = differences(row, host, guest_.run(host));
    }
    if (text.empty()) return;
    failed_.insert(row.name);
    ADD_FAILURE() << fmt::format("{} [{}] trap {}\n{}{}\n", row.name, codeText(host), host.trap, text, stateText(host));
  }

  HostOracle oracle_;
  TestGuest guest_;
  std::vector<Trial> trials_;
  std::vector<const Row*> rows_;
  std::set<std::string> failed_;
  std::size_t tried_ = 0;
};

void tryRows(bool (*belongs)(const Row&)) {
  const char* const soak = std::getenv("RHEA_SOAK");
  const char* const cases = std::getenv("RHEA_CASES");
  const std::size_t count = cases ? std::strtoul(cases, nullptr, 10) : 60;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(soak ? std::strtol(soak, nullptr, 10) : 0);
  Session session;
  std::uint64_t round = 0;
  do {
    ++round;
    std::uint64_t seed = round * 1000003;
    for (const Row& row : rows()) {
      ++seed;
      if (belongs(row) && wanted(row) && canBeTried(row) && hostHas(row) && !session.failed(row))
        session.add(row, seed, count);
    }
    session.finish();
  } while (std::chrono::steady_clock::now() < end);
  std::string names;
  for (const std::string& name : session.failed()) names += " " + name;
  if (!names.empty()) ADD_FAILURE() << session.failed().size() << " instructions differ:" << names;
  ::testing::Test::RecordProperty("cases", static_cast<int>(session.tried()));
  if (session.tried() == 0) GTEST_SKIP() << "the host has none of these instructions";
}

bool isX87(const Row& row) { return row.is(kFpuClass) || row.is(kWaitClass); }
bool isMmx(const Row& row) { return row.is(kMmxClass); }
bool isSse(const Row& row) { return row.is(kSseClass); }
bool isFma(const Row& row) { return std::string_view(row.cpuid) == "fma"; }
bool isAvx(const Row& row) { return row.is(kAvxClass) && !isFma(row); }
bool isInteger(const Row& row) { return !isX87(row) && !isMmx(row) && !isSse(row) && !row.is(kAvxClass); }

TEST(IsaOnHost, X87ComputesAsTheHost) { tryRows(isX87); }
TEST(IsaOnHost, MmxComputesAsTheHost) { tryRows(isMmx); }
TEST(IsaOnHost, SseComputesAsTheHost) { tryRows(isSse); }
TEST(IsaOnHost, AvxComputesAsTheHost) { tryRows(isAvx); }
TEST(IsaOnHost, FusedMultiplyAddComputesAsTheHost) { tryRows(isFma); }
TEST(IsaOnHost, IntegerComputesAsTheHost) { tryRows(isInteger); }

}  // namespace
}  // namespace rhea::x86::test
