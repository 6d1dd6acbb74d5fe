// The 8259 pair as a PC programs it.
#include "hw/irq/pic.h"

#include "tests/hw/platform.h"

namespace rhea::hw {
namespace {

class PicTest : public testing::Test {
 protected:
  PicTest() {
    writePorts(pic_,
               {{0x20, 0x11}, {0x21, 0x20}, {0x21, 4}, {0x21, 1}, {0xa0, 0x11}, {0xa1, 0x28}, {0xa1, 2}, {0xa1, 1}});
  }
  bool output_ = false;
  Pic pic_{testClass(), [this](bool high) { output_ = high; }};
};

TEST_F(PicTest, TheLowerLineComesFirstAndBlocksTheHigherOnesUntilItsEoi) {
  pic_.setIrq(4, true);
  pic_.setIrq(1, true);
  EXPECT_TRUE(output_);
  EXPECT_EQ(pic_.acknowledgeExternal(), 0x21);
  EXPECT_FALSE(output_);
  pic_.write(0x20, 0x20, 1);
  EXPECT_TRUE(output_);
  EXPECT_EQ(pic_.acknowledgeExternal(), 0x24);
  pic_.write(0x20, 0x64, 1);
  EXPECT_FALSE(output_);
}

TEST_F(PicTest, TheSecondChipsLinesComeThroughTheFirst) {
  pic_.setIrq(8, true);
  EXPECT_EQ(pic_.acknowledgeExternal(), 0x28);
  pic_.setIrq(3, true);
  EXPECT_FALSE(output_);
  writePorts(pic_, {{0xa0, 0x20}, {0x20, 0x20}});
  EXPECT_EQ(pic_.acknowledgeExternal(), 0x23);
}

TEST_F(PicTest, AMaskHoldsBackAndAnEdgeThatIsGoneIsSpurious) {
  pic_.write(0x21, 0x10, 1);
  pic_.setIrq(4, true);
  EXPECT_FALSE(output_);
  EXPECT_EQ(pic_.read(0x20, 1), 0x10U);
  pic_.write(0x21, 0, 1);
  EXPECT_TRUE(output_);
  pic_.setIrq(4, false);
  EXPECT_FALSE(output_);
  EXPECT_EQ(pic_.acknowledgeExternal(), 0x27);
}

TEST_F(PicTest, ALevelLineStaysRequestedWhileItIsHigh) {
  pic_.write(0x4d1, 0xff, 1);
  EXPECT_EQ(pic_.read(0x4d1, 1), 0xdeU);
  pic_.setIrq(11, true);
  EXPECT_EQ(pic_.acknowledgeExternal(), 0x2b);
  writePorts(pic_, {{0xa0, 0x20}, {0x20, 0x20}});
  EXPECT_TRUE(output_);
  pic_.setIrq(11, false);
  EXPECT_FALSE(output_);
}

TEST_F(PicTest, AutomaticEoiLeavesNothingInService) {
  writePorts(pic_, {{0x20, 0x11}, {0x21, 0x20}, {0x21, 4}, {0x21, 3}, {0x20, 0x0b}});
  pic_.setIrq(0, true);
  EXPECT_EQ(pic_.acknowledgeExternal(), 0x20);
  EXPECT_EQ(pic_.read(0x20, 1), 0U);
}

TEST_F(PicTest, ItsStateMovesToAnother) {
  pic_.setIrq(4, true);
  pic_.setIrq(9, true);
  EXPECT_EQ(pic_.acknowledgeExternal(), 0x29);
  bool output = false;
  Pic other(testClass(), [&output](bool high) { output = high; });
  expectRoundTrip(pic_, other);
  EXPECT_FALSE(output);
  writePorts(other, {{0xa0, 0x20}, {0x20, 0x20}});
  EXPECT_TRUE(output);
  EXPECT_EQ(other.acknowledgeExternal(), 0x24);
}

}  // namespace
}  // namespace rhea::hw
