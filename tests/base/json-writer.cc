#include "emu/base/json-writer.h"

#include <gtest/gtest.h>

#include <limits>

namespace rhea::json {
namespace {

TEST(JsonWriter, WritesOnOneLine) {
  Writer writer;
  writer.beginObject();
  writer.member("a", 1);
  writer.member("b", "x");
  writer.key("c");
  writer.beginArray();
  writer.boolean(true);
  writer.null();
  writer.number(0.1);
  writer.unsignedInteger(18446744073709551615ULL);
  writer.endArray();
  writer.key("d");
  writer.raw(R"({"e": []})");
  writer.endObject();
  EXPECT_EQ(writer.take(), R"({"a": 1, "b": "x", "c": [true, null, 0.1, 18446744073709551615], "d": {"e": []}})");
}

TEST(JsonWriter, IndentsWhenPretty) {
  const Result<Value> value = parse(R"({"a":[1,{"b":2}],"c":{},"d":[]})");
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(pretty(*value), R"({
    "a": [
        1,
        {
            "b": 2
        }
    ],
    "c": {},
    "d": []
})");
  Writer writer(Writer::Style::kPretty);
  writer.beginArray();
  writer.raw(R"({"x": [1]})");
  writer.endArray();
  EXPECT_EQ(writer.take(), "[\n    {\n        \"x\": [\n            1\n        ]\n    }\n]");
}

TEST(JsonWriter, ControlsAreEscapedTooWhereTheyHaveTwoBytes) {
  std::string text;
  appendQuoted(text, "\x7f\xC2\x80\xC2\x9f\xC2\xA0");
  EXPECT_EQ(text, "\"\\u007f\\u0080\\u009f\xC2\xA0\"");
}

TEST(JsonWriter, WhatItWritesCanBeRead) {
  std::string all;
  for (int byte = 0; byte < 0x80; ++byte) all += static_cast<char>(byte);
  all += "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80";
  std::string text;
  appendQuoted(text, all);
  const Result<Value> value = parse(text);
  ASSERT_TRUE(value.ok()) << value.error().describe();
  EXPECT_EQ(value->asString(), all);
}

TEST(JsonWriter, BytesThatAreNotUtf8AreReplaced) {
  // overlong, surrogate, beyond U+10FFFF, cut off, stray tail
  for (const char* bad : {"\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\x80", "\xFF"}) {
    std::string text;
    appendQuoted(text, std::string("a") + bad + "b");
    const Result<Value> value = parse(text);
    ASSERT_TRUE(value.ok()) << text;
    EXPECT_TRUE(value->asString().starts_with("a\xEF\xBF\xBD")) << text;
    EXPECT_TRUE(value->asString().ends_with("b")) << text;
  }
}

TEST(JsonWriter, NumbersKeepTheirValue) {
  for (const double number : {0.0, -0.5, 1e300, 5e-324, 1.0 / 3, 123456789.0}) {
    Writer writer;
    writer.number(number);
    const Result<Value> value = parse(writer.take());
    ASSERT_TRUE(value.ok());
    EXPECT_EQ(value->asDouble(), number);
  }
  Writer writer;
  writer.number(std::numeric_limits<double>::infinity());
  EXPECT_EQ(writer.take(), "null");
}

}  // namespace
}  // namespace rhea::json
