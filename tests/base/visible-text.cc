#include "emu/base/visible-text.h"

#include <gtest/gtest.h>

namespace rhea {
namespace {

TEST(VisibleText, OrdinaryTextStays) {
  for (const std::string_view text : {"", "two lines\nand\ta tab\n", "Grüße, 日本語, \xF0\x9F\x92\xBE"})
    EXPECT_EQ(visible(text), text);
}

TEST(VisibleText, ControlsAreSpelt) {
  EXPECT_EQ(visible("\x1b[2Jgone\r"), "\\x1b[2Jgone\\x0d");
  EXPECT_EQ(visible("\x7f\x07"), "\\x7f\\x07");
  EXPECT_EQ(visible(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(visible("\xC2\x9B\x32J"), "\\xc2\\x9b2J") << "the same sequence with one character for its beginning";
}

TEST(VisibleText, WhatIsNoUtf8IsSpelt) {
  EXPECT_EQ(visible("\x9B\x32J"), "\\x9b2J");
  EXPECT_EQ(visible("\xE2\x82"), "\\xe2\\x82") << "a sequence that ends too early";
  EXPECT_EQ(visible("\xC0\xAF"), "\\xc0\\xaf") << "longer than it needs to be";
  EXPECT_EQ(visible("\xED\xA0\x80"), "\\xed\\xa0\\x80") << "half of a pair";
}

TEST(VisibleText, ColoursStayWhereTheyAreOurs) {
  EXPECT_EQ(visible("\x1b[31mred\x1b[0m", true), "\x1b[31mred\x1b[0m");
  EXPECT_EQ(visible("\x1b[31mred\x1b[0m"), "\\x1b[31mred\\x1b[0m");
  EXPECT_EQ(visible("\x1b[31;1H\x1b]0;title\x07", true), "\\x1b[31;1H\\x1b]0;title\\x07");
  EXPECT_EQ(visible("\x1b[3", true), "\\x1b[3") << "cut off";
}

}  // namespace
}  // namespace rhea
