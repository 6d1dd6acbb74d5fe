#include "emu/base/keyval.h"

#include <gtest/gtest.h>

namespace rhea {
namespace {

std::string nested(std::string_view text, std::string_view implied = {}) {
  Result<Keyval> options = Keyval::parse(text, implied);
  if (!options.ok()) return "error: " + options.error().message();
  Result<json::Text> made = options->toJson();
  return made.ok() ? *made : "error: " + made.error().message();
}

TEST(Keyval, CommaEndsAValueAndTwoCommasAreOne) {
  EXPECT_EQ(nested("file=a,,b.raw,id=x"), R"({"file": "a,b.raw", "id": "x"})");
  EXPECT_EQ(nested("a=,,,b=1"), R"({"a": ",", "b": "1"})");
  EXPECT_EQ(nested("a=1,"), R"({"a": "1"})");
  EXPECT_EQ(nested(""), "{}");
}

TEST(Keyval, FirstParameterMayLeaveOutTheImpliedKey) {
  EXPECT_EQ(nested("unix:/tmp/a=b,server=on", "address"), R"({"address": "unix:/tmp/a=b", "server": "on"})");
  EXPECT_EQ(nested("none,accel=kvm:tcg", "type"), R"({"type": "none", "accel": "kvm:tcg"})");
  EXPECT_EQ(nested("id=1", "type"), R"({"id": "1"})");
}

TEST(Keyval, BareWordIsASwitch) { EXPECT_EQ(nested("a=1,server"), R"({"a": "1", "server": true})"); }

TEST(Keyval, DotsNestAndNumbersMakeLists) {
  EXPECT_EQ(nested("cache.direct=on,cache.no-flush=off"), R"({"cache": {"direct": "on", "no-flush": "off"}})");
  EXPECT_EQ(nested("a.1=y,a.0=x"), R"({"a": ["x", "y"]})");
  EXPECT_EQ(nested("a.0.b=x"), R"({"a": [{"b": "x"}]})");
}

TEST(Keyval, SaysWhatIsWrong) {
  EXPECT_EQ(nested("a=1,a=2"), "error: 'a' is given twice: '1' and '2'");
  EXPECT_EQ(nested("a=1,a.b=2"), "error: 'a' is given both as a value ('1') and as a group ('a.b')");
  EXPECT_EQ(nested("a.0=1,a.2=2"), "error: the list 'a' has no element 1");
  EXPECT_EQ(nested("a=1,b c"), "error: 'b c' is no key: ' ' is not allowed in one");
  EXPECT_EQ(nested("=1"), "error: a key is missing");
  EXPECT_EQ(nested("a.=1"), "error: 'a.' is no key: a dot stands between two names");
}

TEST(Keyval, TextParsesBackToTheSame) {
  Result<Keyval> options = Keyval::parse("x,file=a,,b,c.d=1", "type");
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->toText(), "type=x,file=a,,b,c.d=1");
  EXPECT_EQ(options->take("file"), "a,b");
  EXPECT_EQ(options->find("file"), nullptr);
}

TEST(Keyval, HelpIsAskedForByAWordOrTheFirstValue) {
  EXPECT_TRUE(Keyval::parse("help", "type")->wantsHelp());
  EXPECT_TRUE(Keyval::parse("file,help", "type")->wantsHelp());
  EXPECT_TRUE(Keyval::parse("?", "type")->wantsHelp());
  EXPECT_FALSE(Keyval::parse("file,id=help", "type")->wantsHelp());
}

TEST(Keyval, JsonFormKeepsItsTypes) {
  Result<json::Value> value = parseOption(R"({"size": 5, "id": "a"})");
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(value->find("size")->asInt64(), 5);
  EXPECT_FALSE(parseOption("{").ok());
}

}  // namespace
}  // namespace rhea
