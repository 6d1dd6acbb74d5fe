#include "emu/base/size.h"

#include <gtest/gtest.h>

namespace rhea {
namespace {

TEST(Size, ReadsNumbersWithAndWithoutUnits) {
  const std::pair<const char*, std::uint64_t> cases[] = {
      {"0", 0},
      {"512", 512},
      {"10G", 10ULL << 30},
      {"10g", 10ULL << 30},
      {"1.5k", 1536},
      {"0x1000", 4096},
      {"4KiB", 4096},
      {"4kB", 4096},
      {"7B", 7},
      {"1E", 1ULL << 60},
      {"0.5M", 512 << 10},
      {"15E", 15ULL << 60},
      {"18446744073709551615", ~0ULL},
  };
  for (const auto& [text, bytes] : cases) {
    const Result<std::uint64_t> size = parseSize(text);
    ASSERT_TRUE(size.ok()) << text;
    EXPECT_EQ(*size, bytes) << text;
  }
}

TEST(Size, ABareNumberMayCountMebibytes) {
  EXPECT_EQ(*parseSize("3", SizeUnit::kMiB), 3ULL << 20);
  EXPECT_EQ(*parseSize("3k", SizeUnit::kMiB), 3ULL << 10);
  EXPECT_EQ(*parseSize("0x10", SizeUnit::kMiB), 16U);
}

TEST(Size, RefusesWhatIsNoSize) {
  for (const char* text : {"", "G", "-1", "+1", " 1", "1 G", "10X", "1.", "1.5", "0x", "0x1G", "16E",
                           "18446744073709551616", "1e3", "0.1B"}) {
    EXPECT_FALSE(parseSize(text).ok()) << text;
  }
}

TEST(Size, IsShownWithThreeDigits) {
  EXPECT_EQ(formatSize(0), "0 B");
  EXPECT_EQ(formatSize(999), "999 B");
  EXPECT_EQ(formatSize(1000), "0.977 KiB");
  EXPECT_EQ(formatSize(1024), "1 KiB");
  EXPECT_EQ(formatSize(3250586), "3.1 MiB");
  EXPECT_EQ(formatSize(10737418240), "10 GiB");
  EXPECT_EQ(formatSize((std::uint64_t{1} << 40) - 1), "1 TiB");
  EXPECT_EQ(formatSize(UINT64_MAX), "16 EiB");
}

TEST(Size, HasAShortExactForm) {
  EXPECT_EQ(exactSize(0), "0");
  EXPECT_EQ(exactSize(1000), "1000");
  EXPECT_EQ(exactSize(10737418240), "10G");
  EXPECT_EQ(exactSize(1536 * 1024), "1536K");
}

}  // namespace
}  // namespace rhea
