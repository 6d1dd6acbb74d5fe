// The null drivers: what they read, and how long they take.
#include "block/driver/null/null.h"
#include "qapi/types-block-options.h"
#include "tests/block/driver-harness.h"

namespace rhea::block {
namespace {

using test::DriverHarness;

qapi::BlockdevOptionsNull options(std::uint64_t size) {
  qapi::BlockdevOptionsNull made;
  made.size = size;
  return made;
}

TEST(NullDriver, ReadsZeroesWhateverWasWritten) {
  DriverHarness node;
  ASSERT_TRUE(node.open(nullCoDriver(), options(1 << 20)).ok());
  ASSERT_TRUE(node.write(4096, 512, 0x55).ok());
  auto data = node.read(4096, 512);
  ASSERT_TRUE(data.ok());
  EXPECT_TRUE(data->isAll(0));
  EXPECT_TRUE(node.flush().ok());
}

TEST(NullDriver, LeavesTheBufferAloneWithoutReadZeroes) {
  DriverHarness node;
  auto wanted = options(1 << 20);
  wanted.readZeroes = false;
  ASSERT_TRUE(node.open(nullAioDriver(), wanted).ok());
  auto data = node.read(0, 512);
  ASSERT_TRUE(data.ok());
  EXPECT_TRUE(data->isAll(0xEE));
}

TEST(NullDriver, TakesAsLongAsItIsTold) {
  for (const DriverInfo* info : {&nullCoDriver(), &nullAioDriver()}) {
    DriverHarness node;
    auto wanted = options(1 << 20);
    wanted.latencyNs = 20'000'000;
    ASSERT_TRUE(node.open(*info, wanted).ok());
    const auto begin = Clock::now();
    ASSERT_TRUE(node.write(0, 512, 1).ok());
    EXPECT_GE(Clock::now() - begin, std::chrono::milliseconds(20)) << info->name;
  }
}

TEST(NullDriver, IsOneGibibyteUnlessToldOtherwise) {
  DriverHarness node;
  ASSERT_TRUE(node.open(nullCoDriver(), qapi::BlockdevOptionsNull()).ok());
  EXPECT_EQ(node.driver().length(), std::uint64_t{1} << 30);
  EXPECT_TRUE(node.loop().run(node.ability<Resizer>().resize(4096, Preallocation::kOff)).ok());
  EXPECT_EQ(node.driver().length(), 4096U);
}

TEST(NullDriver, RefusesASizeThatNoFileCanHave) {
  DriverHarness node;
  const auto refused = node.open(nullCoDriver(), options(std::uint64_t{1} << 63));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().whereText(), "size");
}

TEST(NullDriver, RefusesToWriteWhenReadOnly) {
  DriverHarness node;
  OpenFlags flags;
  flags.readOnly = true;
  ASSERT_TRUE(node.open(nullCoDriver(), options(4096), flags).ok());
  const auto refused = node.write(0, 512, 1);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), EROFS);
}

}  // namespace
}  // namespace rhea::block
