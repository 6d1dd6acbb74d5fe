// What people type to x, xp and print.
#include "emu/machine/expression.h"

#include <gtest/gtest.h>

#include "emu/machine/examine.h"

namespace rhea::machine {
namespace {

const Registers kRegisters = {{"rip", 0x1000}, {"rsp", 0x2000}, {"rflags", 2}};

std::uint64_t value(std::string_view text) {
  const Result<std::uint64_t> result = evaluate(text, kRegisters);
  EXPECT_TRUE(result.ok()) << text << ": " << result.error().message();
  return result.ok() ? *result : 0;
}

std::string errorOf(std::string_view text) {
  const Result<std::uint64_t> result = evaluate(text, kRegisters);
  return result.ok() ? "no error" : result.error().message();
}

TEST(Expression, OperatorsBindAsUsual) {
  EXPECT_EQ(value("1 + 2 * 3"), 7U);
  EXPECT_EQ(value("(1+2)*3"), 9U);
  EXPECT_EQ(value("7 % 4 - 1"), 2U);
  EXPECT_EQ(value("0x10 | 010 ^ 1"), 0x19U);
  EXPECT_EQ(value("-1"), ~std::uint64_t{0});
  EXPECT_EQ(value("~0 & 0xff"), 0xffU);
  EXPECT_EQ(value("'A'"), 65U);
}

TEST(Expression, RegistersHaveTheirNamesAndAliases) {
  EXPECT_EQ(value("$rip + 8"), 0x1008U);
  EXPECT_EQ(value("$pc"), 0x1000U);
  EXPECT_EQ(value("$sp - 16"), 0x1ff0U);
  EXPECT_EQ(errorOf("$rix"), "there is no register '$rix'");
}

TEST(Expression, SaysWhereItIsWrong) {
  EXPECT_NE(errorOf("").find("its end where a number"), std::string::npos);
  EXPECT_NE(errorOf("1 +").find("its end where a number"), std::string::npos);
  EXPECT_NE(errorOf("(1").find("')' is expected"), std::string::npos);
  EXPECT_NE(errorOf("1 2").find("'2' where an operator"), std::string::npos);
  EXPECT_NE(errorOf("1/0").find("divides by zero"), std::string::npos);
  EXPECT_NE(errorOf("0x11112222333344445").find("more than 64 bits"), std::string::npos);
  EXPECT_NE(errorOf(std::string(1000, '(')).find("nested too deeply"), std::string::npos);
}

TEST(ExamineFormat, IsTakenOffTheFront) {
  std::string_view text = "/8xg $rsp";
  const ExamineFormat format = *takeFormat(text, ExamineFormat());
  EXPECT_EQ(format.count, 8U);
  EXPECT_EQ(format.form, 'x');
  EXPECT_EQ(format.size, 8U);
  EXPECT_EQ(text, " $rsp");
  std::string_view none = "0x1000";
  EXPECT_EQ(takeFormat(none, ExamineFormat())->size, 4U);
  for (std::string_view bad : {"/0x 1", "/99999999x 1", "/4q 1"}) EXPECT_FALSE(takeFormat(bad, ExamineFormat()).ok());
}

TEST(ExamineFormat, ItemsStandInLinesOfSixteenBytes) {
  std::vector<std::byte> bytes(20);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i == 0 ? 0xff : i);
  ExamineFormat format;
  EXPECT_EQ(formatItems(bytes, 0x1000, format, 4),
            "1000: 0x030201ff 0x07060504 0x0b0a0908 0x0f0e0d0c\n1010: 0x13121110\n");
  format.size = 1;
  format.form = 'd';
  EXPECT_EQ(formatItems(std::span(bytes).first(2), 0, format, 2), "00: -1 1\n");
  format.form = 'c';
  EXPECT_EQ(formatItem('A', format), "'A'");
  EXPECT_EQ(formatItem(1, format), "'\\x01'");
}

}  // namespace
}  // namespace rhea::machine
