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

}  // namespace
}  // namespace rhea
