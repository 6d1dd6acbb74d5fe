// The soft TLB's flushes: what is dropped in either level, and what stays.
#include "emu/cpu/soft-tlb.h"

#include <gtest/gtest.h>

namespace rhea::cpu {
namespace {

constexpr std::uint64_t kPage = 0x1000;
constexpr std::uint64_t kFirst = 0x7f0000000000;

class SoftTlbTest : public testing::Test {
 protected:
  static std::uint64_t address(std::uint64_t n) { return kFirst + n * kPage; }
  static std::uint8_t* host(std::uint64_t n) { return reinterpret_cast<std::uint8_t*>(0x10000 + n * kPage); }
  void fill(std::uint64_t n, bool global = false) {
    tlb_.fill(false, address(n), host(n), global);
    tlb_.fill(true, address(n), host(n), global);
  }
  bool reads(std::uint64_t n) { return tlb_.look(false, address(n) + 8) == host(n) + 8; }
  bool writes(std::uint64_t n) { return tlb_.look(true, address(n) + 8) == host(n) + 8; }

  SoftTlb tlb_;
};

// As many as are listed, and more; pages that share a slot of the first level among them.
TEST_F(SoftTlbTest, FlushOfWritesDropsAllThatMayBeWrittenAndNothingElse) {
  for (const std::uint64_t count : {1U, 200U, 256U, 257U, 258U, 3000U}) {
    for (std::uint64_t n = 0; n < count; ++n) fill(n, n % 3 == 0);
    for (std::uint64_t n = 0; n < count; ++n) ASSERT_TRUE(reads(n) && writes(n)) << count << ' ' << n;
    tlb_.flushWrites();
    for (std::uint64_t n = 0; n < count; ++n) ASSERT_TRUE(reads(n) && !writes(n)) << count << ' ' << n;
    tlb_.flush(true);
  }
}

// What the first level took from the second one since the last flush was filled in since then, too.
TEST_F(SoftTlbTest, FlushOfWritesDropsWhatCameBackFromTheSecondLevel) {
  fill(0);
  fill(SoftTlb::kEntries);
  EXPECT_TRUE(writes(0));
  EXPECT_TRUE(writes(SoftTlb::kEntries));
  tlb_.flushWrites();
  EXPECT_FALSE(writes(0));
  EXPECT_FALSE(writes(SoftTlb::kEntries));
  tlb_.flushWrites();
  fill(1);
  EXPECT_TRUE(writes(1)) << "a flush of nothing";
  EXPECT_FALSE(writes(0));
}

TEST_F(SoftTlbTest, FlushOfOneSpaceKeepsGlobalPages) {
  fill(1);
  fill(2, true);
  tlb_.flush(false);
  EXPECT_FALSE(reads(1) || writes(1));
  EXPECT_TRUE(reads(2) && writes(2));
  tlb_.flushWrites();
  EXPECT_TRUE(reads(2) && !writes(2));
  tlb_.flush(true);
  EXPECT_FALSE(reads(2));
}

// Numbers of flushes come round after some two thousand.
TEST_F(SoftTlbTest, NothingComesBackHoweverManyFlushesPass) {
  fill(0);
  for (unsigned n = 0; n < 5000; ++n) {
    tlb_.flushWrites();
    ASSERT_FALSE(writes(0)) << n;
    fill(1 + n % 7);
  }
}

}  // namespace
}  // namespace rhea::cpu
