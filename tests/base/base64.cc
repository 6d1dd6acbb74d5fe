#include "emu/base/base64.h"

#include <gtest/gtest.h>

namespace rhea {
namespace {

TEST(Base64, DecodesAndRefuses) {
  EXPECT_EQ(*decodeBase64(""), "");
  EXPECT_EQ(*decodeBase64("YQ=="), "a");
  EXPECT_EQ(*decodeBase64("YWI="), "ab");
  EXPECT_EQ(*decodeBase64("YW\nJj"), "abc");
  EXPECT_EQ(*decodeBase64("/+8="), "\xff\xef");
  EXPECT_FALSE(decodeBase64("YQ=").ok());
  EXPECT_FALSE(decodeBase64("Y").ok());
  EXPECT_FALSE(decodeBase64("YQ==YQ==").ok());
  EXPECT_FALSE(decodeBase64("=AAA").ok());
  EXPECT_FALSE(decodeBase64("YQ=a").ok());
}

TEST(Base64, EncodesWithPadding) {
  EXPECT_EQ(encodeBase64(""), "");
  EXPECT_EQ(encodeBase64("a"), "YQ==");
  EXPECT_EQ(encodeBase64("ab"), "YWI=");
  EXPECT_EQ(encodeBase64("abc"), "YWJj");
  EXPECT_EQ(encodeBase64("\xff\xef"), "/+8=");
}

TEST(Base64, GivesBackEveryByte) {
  std::string bytes;
  for (int value = 0; value < 256; ++value) bytes.push_back(static_cast<char>(value));
  EXPECT_EQ(*decodeBase64(encodeBase64(bytes)), bytes);
}

}  // namespace
}  // namespace rhea
