// -d, -D and -dfilter: which items, which addresses, which file.
#include "emu/cpu/trace-log.h"

#include <gtest/gtest.h>

#include "emu/base/files.h"
#include "tests/lib/temp-dir.h"

namespace rhea::cpu {
namespace {

TEST(TraceLog, ItemsAreNamesWithCommasBetween) {
  EXPECT_EQ(*TraceLog::parseItems(""), 0U);
  EXPECT_EQ(*TraceLog::parseItems("int,cpu_reset"), TraceLog::kInterrupts | TraceLog::kReset);
  EXPECT_EQ(*TraceLog::parseItems("int,none"), 0U);
  for (const TraceLog::Named& item : TraceLog::known()) {
    EXPECT_EQ(*TraceLog::parseItems("all") & item.items, item.items) << item.name;
    EXPECT_NE(TraceLog::help().find(item.name), std::string::npos) << item.name;
  }
  EXPECT_EQ(TraceLog::parseItems("intt").error().candidateNames(), std::vector<std::string>{"int"});
  EXPECT_NE(TraceLog::parseItems("op").error().message().find("no intermediate code"), std::string::npos);
}

TEST(TraceLog, RangesAreWrittenInThreeWays) {
  const std::vector<TraceLog::Range> ranges = *TraceLog::parseRanges("0x1000..0x1fff,0x8000+0x100,0x9fff-0x1000,5..5");
  ASSERT_EQ(ranges.size(), 4U);
  EXPECT_EQ(ranges[0].first, 0x1000U);
  EXPECT_EQ(ranges[0].last, 0x1fffU);
  EXPECT_EQ(ranges[1].first, 0x8000U);
  EXPECT_EQ(ranges[1].last, 0x80ffU);
  EXPECT_EQ(ranges[2].first, 0x9000U);
  EXPECT_EQ(ranges[2].last, 0x9fffU);
  EXPECT_EQ(ranges[3].last, 5U);
  for (const char* bad : {"0x1000", "a..b", "5..4", "1+0", "1-0", "..", "0xffffffffffffffff+2"}) {
    EXPECT_FALSE(TraceLog::parseRanges(bad).ok()) << bad;
  }
}

TEST(TraceLog, TellsWhatIsAskedForAndInRange) {
  test::TempDir folder;
  TraceLog::Settings settings;
  settings.items = TraceLog::kInterrupts;
  settings.ranges = {{0x1000, 0x1fff}};
  settings.file = folder.file("guest-%d.log");
  TraceLog log;
  ASSERT_TRUE(log.configure(settings).ok());
  EXPECT_TRUE(log.wants(TraceLog::kInterrupts));
  EXPECT_FALSE(log.wants(TraceLog::kReset));
  EXPECT_TRUE(log.wants(TraceLog::kInterrupts, 0x1fff));
  EXPECT_FALSE(log.wants(TraceLog::kInterrupts, 0x2000));
  log.write("one\n");
  EXPECT_EQ(*readFile(folder.file(fmt::format("guest-{}.log", ::getpid()))), "one\n");
  ASSERT_TRUE(log.openFile(folder.file("other")).ok());
  log.write("two\n");
  EXPECT_EQ(*readFile(folder.file("other")), "two\n");
  const Result<void> bad = log.openFile(folder.file("no/such/folder"));
  EXPECT_NE(bad.error().message().find("no/such/folder"), std::string::npos);
}

}  // namespace
}  // namespace rhea::cpu
