// The time-stamp counter in translated code: the virtual clock's time, wherever it is computed.
#include <gtest/gtest.h>

#include "tests/target/guest.h"

namespace rhea::x86::test {
namespace {

constexpr int kGeneralProtectionTrap = 13, kBreakpointTrap = 3, kUndefinedTrap = 6;

// Reads the counter RSI times; ud2 where one is below the one before. The last is in RBX.
constexpr std::uint8_t kReadMany[] = {0x31, 0xdb,              // xor ebx, ebx
                                      0x0f, 0x31,              // rdtsc
                                      0x48, 0xc1, 0xe2, 0x20,  // shl rdx, 32
                                      0x48, 0x09, 0xd0,        // or rax, rdx
                                      0x48, 0x39, 0xd8,        // cmp rax, rbx
                                      0x72, 0x09,              // jb ud2
                                      0x48, 0x89, 0xc3,        // mov rbx, rax
                                      0x48, 0xff, 0xce,        // dec rsi
                                      0x75, 0xea,              // jnz rdtsc
                                      0xcc, 0x0f, 0x0b};       // int3; ud2

class TimeStamp : public testing::Test {
 protected:
  void SetUp() override {
    if (!guest_.cpu().translateCode().ok()) GTEST_SKIP() << "this build does not translate";
    clock_.start();
  }
  void TearDown() override { clock_.stop(); }

  object::VirtualClock clock_;
  TestGuest guest_{"max", &clock_};
  Trial start_;
};

TEST_F(TimeStamp, IsTheVirtualClocksAndNeverGoesBack) {
  start_.in.gpr[kRsi] = 100000;
  std::uint64_t before = static_cast<std::uint64_t>(clock_.now());
  // Until the clock has measured the host's counter and translated code does without it, and once more.
  bool scaled = false;
  do {
    scaled = clock_.scale().valid.load() != 0 || !object::hostTicksAreSteady();
    const Trial end = guest_.runToTrap(kReadMany, start_);
    ASSERT_EQ(end.trap, kBreakpointTrap) << (end.trap == kUndefinedTrap ? "the counter went back" : "an exception");
    EXPECT_GE(end.out.gpr[kRbx], before);
    before = static_cast<std::uint64_t>(clock_.now());
    EXPECT_LE(end.out.gpr[kRbx], before);
  } while (!scaled);
}

TEST_F(TimeStamp, HasTheGuestsOffsetAndProcessorNumber) {
  constexpr std::uint8_t kRead[] = {0x0f, 0x01, 0xf9, 0xff, 0xce, 0x75, 0xf9, 0xcc};  // rdtscp; dec esi; jnz; int3
  constexpr std::uint64_t kOffset = std::uint64_t{1} << 56;
  guest_.start().msr.tscAdjust = kOffset;
  guest_.start().msr.tscAux = 0x1234567;
  start_.in.gpr[kRsi] = 100;
  const Trial end = guest_.runToTrap(kRead, start_);
  ASSERT_EQ(end.trap, kBreakpointTrap);
  EXPECT_EQ(end.out.gpr[kRcx], 0x1234567U);
  const std::uint64_t value = end.out.gpr[kRdx] << 32 | end.out.gpr[kRax];
  EXPECT_GE(value, kOffset);
  EXPECT_LE(value - kOffset, static_cast<std::uint64_t>(clock_.now()));
}

TEST_F(TimeStamp, IsTheKernelsAloneWhereItSaysSo) {
  guest_.start().cr4 |= kCr4Tsd;
  start_.in.gpr[kRsi] = 100;
  start_.in.gpr[kRax] = 7;
  for (int n = 0; n < 4; ++n) {  // from the third time on it is translated
    const Trial end = guest_.runToTrap(kReadMany, start_);
    EXPECT_EQ(end.trap, kGeneralProtectionTrap);
    EXPECT_EQ(end.out.rip, kCodeAt + 2);
    EXPECT_EQ(end.out.gpr[kRax], 7U);
  }
}

}  // namespace
}  // namespace rhea::x86::test
