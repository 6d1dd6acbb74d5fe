// The comparison that the examples rest on must itself be able to fail.

#include "tests/lib/json-match.h"

#include <gtest/gtest.h>

namespace rhea::test {

namespace {

std::string mismatchOf(std::string_view expected, std::string_view actual) {
  return mismatch(*json::parse(expected), *json::parse(actual));
}

}  // namespace

TEST(JsonMatch, TakesWhatIsEqual) {
  EXPECT_EQ("", mismatchOf(R"({"a": [1, true, null, "x"]})", R"({"a":[1,true,null,"x"]})"));
}

TEST(JsonMatch, NamesTheFirstDifference) {
  EXPECT_EQ("a.b: expected 1, found 2", mismatchOf(R"({"a": {"b": 1}})", R"({"a": {"b": 2}})"));
  EXPECT_EQ("a: is missing in {\"b\": 1}", mismatchOf(R"({"a": 1})", R"({"b": 1})"));
  EXPECT_EQ("b: was not expected", mismatchOf(R"({"a": 1})", R"({"a": 1, "b": 1})"));
  EXPECT_NE("", mismatchOf("[1]", "[1, 2]"));
  EXPECT_NE("", mismatchOf("[1, 2]", "[1]"));
  EXPECT_NE("", mismatchOf("1", "\"1\""));
}

TEST(JsonMatch, LetsDotsStandForWhatVaries) {
  EXPECT_EQ("", mismatchOf(R"({"a": "..."})", R"({"a": {"b": []}})"));
  EXPECT_EQ("", mismatchOf(R"({"a": 1, "...": "..."})", R"({"a": 1, "b": 1})"));
  EXPECT_NE("", mismatchOf(R"({"a": "..."})", R"({})"));
}

TEST(JsonMatch, LetsDotsStandForItems) {
  EXPECT_EQ("", mismatchOf(R"(["...", 2, "..."])", "[1, 2, 3, 4]"));
  EXPECT_EQ("", mismatchOf(R"(["...", 2, "..."])", "[2]"));
  EXPECT_EQ("", mismatchOf(R"([1, "..."])", "[1]"));
  EXPECT_NE("", mismatchOf(R"(["...", 5, "..."])", "[1, 2, 3, 4]"));
  EXPECT_NE("", mismatchOf(R"(["...", 3])", "[1, 2, 3, 4]"));
}

}  // namespace rhea::test
