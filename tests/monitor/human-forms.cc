#include <gtest/gtest.h>

#include "tests/monitor/human-sample.h"

namespace rhea::monitor {
namespace {

class HumanForms : public ::testing::Test {
 protected:
  std::string argumentsOf(std::string_view line) {
    const Result<ParsedLine> parsed = table_.parse(line);
    return parsed ? parsed->arguments : "error: " + parsed.error().message();
  }
  Error errorOf(std::string_view line) {
    Result<ParsedLine> parsed = table_.parse(line);
    return parsed ? Error("parsed") : parsed.takeError();
  }
  FormTable table_{test::kForms};
};

TEST_F(HumanForms, WordsKeepBlanksInQuotesAndUndoEscapes) {
  const std::vector<Word> words = splitWords(R"(io  "a b" "x\"y\n" tail)");
  ASSERT_EQ(words.size(), 4U);
  EXPECT_EQ(words[1].text, "a b");
  EXPECT_EQ(words[2].text, "x\"y\n");
  EXPECT_EQ(words[3].begin, 19U);
}

TEST_F(HumanForms, LineBecomesArgumentsOfTheCommand) {
  EXPECT_EQ(argumentsOf("info block"), "{}");
  EXPECT_EQ(argumentsOf("info block -v disk0"), R"({"verbose": true, "device": "disk0"})");
  EXPECT_EQ(argumentsOf("info block -nv"), R"({"nodes": true, "verbose": true})");
  EXPECT_EQ(argumentsOf("block_resize disk0 10G"), R"({"device": "disk0", "size": 10737418240})");
}

TEST_F(HumanForms, RepeatedSwitchIsOneMember) {
  EXPECT_EQ(argumentsOf("info block -v -nvn"), R"({"verbose": true, "nodes": true})");
}

TEST_F(HumanForms, NulByteIsNoSwitch) {
  EXPECT_EQ(errorOf(std::string_view("info block -\0", 13)).message(),
            std::string("'info block' has no switch '-\0'", 31));
}

TEST_F(HumanForms, BareSizeCountsMebibytesAsTheClassicCommandsHaveIt) {
  EXPECT_EQ(argumentsOf("block_resize disk0 64"), R"({"device": "disk0", "size": 67108864})");
}

TEST_F(HumanForms, FixedMembersAreAlwaysSent) {
  EXPECT_EQ(argumentsOf("block_set_cache d none"), R"({"force": false, "device": "d", "mode": "none"})");
}

TEST_F(HumanForms, RestOfLineIsKeptAsTypedOrUnquoted) {
  EXPECT_EQ(argumentsOf("io d read -v  0 4k"), R"({"device": "d", "command": "read -v  0 4k"})");
  EXPECT_EQ(argumentsOf(R"(io d "read 0 4k")"), R"({"device": "d", "command": "read 0 4k"})");
}

TEST_F(HumanForms, TrailingSwitchAsksForJson) {
  const Result<ParsedLine> parsed = table_.parse("info block disk0 -j");
  ASSERT_TRUE(parsed.ok());
  EXPECT_TRUE(parsed->wantsJson);
  EXPECT_EQ(parsed->arguments, R"({"device": "disk0"})");
}

TEST_F(HumanForms, AliasNamesTheSameForm) {
  const Result<ParsedLine> parsed = table_.parse("c");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->form->command, "cont");
  const Result<ParsedLine> lastWord = table_.parse("info condition");
  ASSERT_TRUE(lastWord.ok());
  EXPECT_EQ(lastWord->form->command, "query-status");
}

TEST_F(HumanForms, UnknownWordIsAnsweredWithTheNearestOnes) {
  const Error error = errorOf("block_resise disk0 10G");
  EXPECT_EQ(error.errorClass(), ErrorClass::kCommandNotFound);
  ASSERT_FALSE(error.candidateNames().empty());
  EXPECT_EQ(error.candidateNames().front(), "block_resize");
  EXPECT_EQ(error.hintText(), "did you mean: block_resize disk0 10G");
  EXPECT_EQ(errorOf("info blok").hintText(), "did you mean: info block");
}

TEST_F(HumanForms, MissingExtraAndBadArgumentsShowTheUsage) {
  EXPECT_EQ(errorOf("block_resize disk0").message(), "'size' is missing: the new size");
  EXPECT_EQ(errorOf("block_resize disk0 1G more").message(), "'block_resize' takes no further argument: 'more'");
  EXPECT_EQ(errorOf("block_resize disk0 big").hintText(), "usage: block_resize device size");
  EXPECT_EQ(errorOf("info block -x").message(), "'info block' has no switch '-x'");
  EXPECT_EQ(errorOf("block_resize \"disk0 1G").message(), "the closing quote is missing: \"disk0 1G");
  const Error mode = errorOf("block_set_cache d writebak");
  EXPECT_EQ(mode.message(), "'writebak' is no value for mode");
  EXPECT_EQ(mode.candidateNames().size(), 5U);
}

TEST_F(HumanForms, NextWordsAreThoseOfTheForms) {
  EXPECT_EQ(table_.nextWords(splitWords("info")), (std::vector<std::string>{"block", "condition", "status"}));
  EXPECT_EQ(table_.nextWords({}),
            (std::vector<std::string>{"block_resize", "block_set_cache", "c", "cont", "info", "io"}));
}

}  // namespace
}  // namespace rhea::monitor
