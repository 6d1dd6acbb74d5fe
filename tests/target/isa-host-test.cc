// Every row of the instruction table on the virtual CPU and on the host's: random operands, random state, everything
// that is defined afterwards compared. RHEA_SOAK=SECONDS goes on for that long with new numbers.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <set>
#include <vector>

#include "tests/target/guest.h"
#include "tests/target/row-trial.h"

namespace rhea::x86::test {
namespace {

constexpr std::uint64_t kComparedFlags = kArithmeticFlags | kDf;

template <class Bytes>
std::string hex(const Bytes& bytes, std::size_t from, std::size_t size) {
  std::string text;
  for (std::size_t n = size; n-- > 0;) text += fmt::format("{:02x}", bytes[from + n]);
  return text;
}

class Comparison {
 public:
  Comparison(const Row& row, const Trial& host, const Trial& guest) : row_(row), host_(host), guest_(guest) {}

  // Empty: the same.
  std::string differences() {
    if (host_.trap != guest_.trap && !leftByBranch()) note("trap", host_.trap, guest_.trap);
    if (text_.empty() && host_.trap != kNoTrap && !leftByBranch()) {
      note("error code", host_.errorCode, guest_.errorCode);
      note("fault address", host_.faultAddress, guest_.faultAddress);
    }
    note("rip", host_.out.rip, guest_.out.rip);
    for (std::size_t n = 0; n < 16; ++n) note(fmt::format("gpr[{}]", n), host_.out.gpr[n], guest_.out.gpr[n]);
    const std::uint64_t flags = kComparedFlags & ~std::uint64_t{host_.trap == kNoTrap ? row_.flagsUndefined : 0u};
    note("flags", host_.out.rflags & flags, guest_.out.rflags & flags);
    for (std::size_t n = 0; n < 16; ++n) {
      if (host_.out.ymm[n] == guest_.out.ymm[n]) continue;
      add(fmt::format("ymm{}", n), hex(host_.out.ymm[n], 0, 32), hex(guest_.out.ymm[n], 0, 32));
    }
    const auto field = [&](const char* name, std::size_t at, std::size_t size) {
      const std::string host = hex(host_.out.fx, at, size);
      const std::string guest = hex(guest_.out.fx, at, size);
      if (host != guest) add(name, host, guest);
    };
    // An unmasked overflow or underflow leaves open whether the result, had its exponent fitted, was exact: that bit of
    // MXCSR is not computed.
    if (host_.trap == 19 && (host_.out.fx[24] & 0x18) != 0) {
      note("mxcsr", mxcsr(host_) & ~0x20u, mxcsr(guest_) & ~0x20u);
    } else {
      note("mxcsr", mxcsr(host_), mxcsr(guest_));
    }
    field("fcw", 0, 2);
    field("fsw", 2, 2);
    field("tags", 4, 1);
    for (std::size_t n = 0; n < 8; ++n) field("st", 32 + 16 * n, 10);
    for (std::size_t at = 0; at < kWindowSize; at += 32) {
      if (std::memcmp(host_.memoryOut.data() + at, guest_.memoryOut.data() + at, 32) == 0) continue;
      add(fmt::format("memory+{:#x}", at), hex(host_.memoryOut, at, 32), hex(guest_.memoryOut, at, 32));
    }
    return text_;
  }

 private:
  static std::uint32_t mxcsr(const Trial& t) {
    std::uint32_t value;
    std::memcpy(&value, t.out.fx.data() + 24, 4);
    return value;
  }
  // A branch that is taken meets an int3 or nothing at all on the host; the virtual CPU has stopped before that.
  bool leftByBranch() const {
    return row_.is(kBranch) && guest_.trap == kNoTrap && (host_.trap == 3 || host_.trap == 14) &&
           host_.out.rip == guest_.out.rip;
  }
  void add(const std::string& name, const std::string& host, const std::string& guest) {
    text_ += fmt::format("  {}: host {}, rhea {}\n", name, host, guest);
  }
  template <class T>
  void note(const std::string& name, T host, T guest) {
    if (host != guest) add(name, fmt::format("{:#x}", host), fmt::format("{:#x}", guest));
  }

  const Row& row_;
  const Trial& host_;
  const Trial& guest_;
  std::string text_;
};

std::string stateText(const Trial& t) {
  std::string text = "  before:";
  for (std::size_t n = 0; n < 16; ++n) text += fmt::format("{}r{}={:x}", n % 4 ? " " : "\n    ", n, t.in.gpr[n]);
  for (std::size_t n = 0; n < 16; ++n) text += fmt::format("\n    ymm{}={}", n, hex(t.in.ymm[n], 0, 32));
  text += fmt::format("\n    mxcsr={} fcw={} fsw={} tags={}", hex(t.in.fx, 24, 4), hex(t.in.fx, 0, 2),
                      hex(t.in.fx, 2, 2), hex(t.in.fx, 4, 1));
  for (std::size_t n = 0; n < 8; ++n) text += fmt::format("\n    st{}={}", n, hex(t.in.fx, 32 + 16 * n, 10));
  return text;
}

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
      text = Comparison(row, host, guest_.run(host)).differences();
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
