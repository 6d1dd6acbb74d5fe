// Which code counts as part of a loop.
#include "target/x86/t1/loop-map.h"

#include <gtest/gtest.h>

namespace rhea::x86::t1 {
namespace {

TEST(LoopMap, KnowsWhatLiesBetweenAJumpBackAndItsTarget) {
  LoopMap map;
  EXPECT_FALSE(map.has(0x401000));
  map.add(0x401100, 0x4011c0);
  EXPECT_TRUE(map.has(0x401100));
  EXPECT_TRUE(map.has(0x401150));
  EXPECT_TRUE(map.has(0x4011c0));
  EXPECT_FALSE(map.has(0x4010ff));
  EXPECT_FALSE(map.has(0x401200));
}

TEST(LoopMap, LoopsOfOnePageAreKnownTogetherAndAnotherPageInTheSlotReplacesThem) {
  LoopMap map;
  map.add(0x401100, 0x401100);
  map.add(0x401f00, 0x401f80);
  EXPECT_TRUE(map.has(0x401100));
  EXPECT_TRUE(map.has(0x401f80));
  map.add(0x501400, 0x501400);
  EXPECT_TRUE(map.has(0x501400));
  EXPECT_FALSE(map.has(0x401100));
  map.clear();
  EXPECT_FALSE(map.has(0x501400));
}

TEST(LoopMap, LongLoopsAreNotTakenIn) {
  LoopMap map;
  map.add(0x401000, 0x401400);
  EXPECT_FALSE(map.has(0x401000));
  EXPECT_FALSE(map.has(0x401400));
}

}  // namespace
}  // namespace rhea::x86::t1
