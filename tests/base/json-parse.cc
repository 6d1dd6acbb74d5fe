#include <gtest/gtest.h>

#include "emu/base/json-path.h"
#include "emu/base/json-writer.h"

namespace rhea::json {
namespace {

Value parsed(std::string_view text) {
  Result<Value> result = parse(text);
  EXPECT_TRUE(result.ok()) << text << ": " << (result.ok() ? "" : result.error().describe());
  return result.ok() ? *result : Value();
}

std::string refused(std::string_view text, const Limits& limits = {}) {
  const Result<Value> result = parse(text, limits);
  EXPECT_FALSE(result.ok()) << text;
  return result.ok() ? "" : result.error().message();
}

TEST(JsonParse, KeepsEveryKindAndItsValue) {
  const Value value = parsed(R"({"n":null,"t":true,"i":-5,"u":18446744073709551615,"d":2.5e-3,"s":"a\u0000b\n\u00e9",
                                 "a":[1,[],{}],"o":{"x":{"y":1}}})");
  EXPECT_EQ(value.size(), 8U);
  EXPECT_TRUE(value.find("n")->isNull());
  EXPECT_TRUE(value.find("t")->asBool());
  EXPECT_EQ(value.find("i")->asInt64(), -5);
  EXPECT_EQ(value.find("u")->kind(), Kind::kUint64);
  EXPECT_EQ(value.find("u")->asUint64(), 18446744073709551615ULL);
  EXPECT_DOUBLE_EQ(value.find("d")->asDouble(), 2.5e-3);
  EXPECT_EQ(value.find("s")->asString(), std::string_view("a\0b\n\xC3\xA9", 6));
  EXPECT_EQ(value.find("a")->size(), 3U);
  EXPECT_EQ(value.find("o")->find("x")->find("y")->asInt64(), 1);
  EXPECT_FALSE(value.find("y").has_value());
  EXPECT_FALSE(value.find("a")->find("x").has_value());
}

TEST(JsonParse, WalksItemsAndMembersInOrder) {
  const Value value = parsed(R"([1,{"a":[2,3],"b":"x"},4])");
  std::string seen;
  for (const View item : value.items()) seen += item.text() + ";";
  EXPECT_EQ(seen, R"(1;{"a": [2, 3], "b": "x"};4;)");
  seen.clear();
  for (const Member& member : (*++value.items().begin()).members()) {
    seen.append(member.key) += "=" + member.value.text() + ";";
  }
  EXPECT_EQ(seen, R"(a=[2, 3];b="x";)");
}

TEST(JsonParse, EachValueKnowsWhereItBegan) {
  const std::string_view text = R"({"a": [1, -2.5, true,false , null, "x\ny", {}]})";
  const Value value = parsed(text);
  EXPECT_EQ(value.offset(), 0U);
  EXPECT_EQ(value.find("a")->offset(), text.find('['));
  std::vector<std::size_t> offsets;
  for (const View item : value.find("a")->items()) offsets.push_back(item.offset());
  const std::vector<std::size_t> expected{text.find('1'),    text.find("-2.5"), text.find("true"), text.find("false"),
                                          text.find("null"), text.find("\"x"),  text.find("{}")};
  EXPECT_EQ(offsets, expected);
  EXPECT_EQ((*value.members().begin()).keyOffset, 1U);
}

TEST(JsonParse, NumbersAreWrittenBackAsTheyCame) {
  for (const char* text : {"0", "-0", "1e3", "1E+3", "0.10", "-9223372036854775808", "9223372036854775808",
                           "123456789012345678901234567890", "[1, 2.50, -3]"}) {
    EXPECT_EQ(parsed(text).text(), text);
  }
}

TEST(JsonParse, FractionsAreExactToTheLastBit) {
  const Value value = parsed(
      "[0.1, 8.41e21, 2.2250738585072014e-308, 9007199254740993.0, -1.7976931348623157e308, 1e-400, "
      "0.000000000000000000000000000000000000000000000000e5]");
  const double expected[] = {0.1, 8.41e21, 2.2250738585072014e-308, 9007199254740993.0, -1.7976931348623157e308, 0, 0};
  std::size_t i = 0;
  for (const View item : value.items()) EXPECT_EQ(item.asDouble(), expected[i++]) << item.text();
  EXPECT_EQ(i, std::size(expected));
}

TEST(JsonParse, AValueOutlivesItsDocumentsFirstHandle) {
  Value inner;
  {
    const Value outer = parsed(R"({"id":{"any":["thing",1]}})");
    inner = Value(*outer.find("id"));
  }
  const Value copy = inner;
  inner = Value();
  EXPECT_EQ(copy.text(), R"({"any": ["thing", 1]})");
  EXPECT_TRUE(inner.isNull());
}

TEST(JsonParse, ErrorsSayPlaceExpectationAndFinding) {
  EXPECT_EQ(refused(R"({"execute" "foo"})"),
            "JSON syntax error in line 1, column 12 (byte 11): expected ':' behind the member's name, found '\"'");
  EXPECT_EQ(refused("{\"a\": 1,\n \"b\": tru}"),
            "JSON syntax error in line 2, column 7 (byte 15): expected a JSON value, found 'tru'");
  EXPECT_EQ(refused("[1 2]"),
            "JSON syntax error in line 1, column 4 (byte 3): expected ',' or ']' behind the item, found '2'");
  EXPECT_EQ(refused("[1,]"), "JSON syntax error in line 1, column 4 (byte 3): expected a JSON value, found ']'");
  EXPECT_EQ(refused("{\"a\":1,}"),
            "JSON syntax error in line 1, column 8 (byte 7): expected a member's name in double quotes, found '}'");
  EXPECT_EQ(refused("{} {}"),
            "JSON syntax error in line 1, column 4 (byte 3): expected nothing behind the value, found '{'");
  EXPECT_EQ(refused(""),
            "JSON syntax error in line 1, column 1 (byte 0): expected a JSON value, found the end of the text");
  EXPECT_NE(refused("\"ab\ncd\"").find("control character 0x0a"), std::string::npos);
  EXPECT_NE(refused("\"ab").find("the end of the text"), std::string::npos);
  EXPECT_NE(refused("\"\xC3\x28\"").find("not UTF-8"), std::string::npos);
  EXPECT_NE(refused("\"\\ud800x\"").find("surrogate"), std::string::npos);
  EXPECT_NE(refused("\"\\q\"").find("no such escape"), std::string::npos);
  EXPECT_NE(refused("1e999").find("too big"), std::string::npos);
  EXPECT_NE(refused(std::string_view("{}\0{}", 5)).find("byte 0x00"), std::string::npos);
}

TEST(JsonParse, ErrorsPointWithACaret) {
  const Result<Value> result = parse("{\n  \"\xC3\xA9\": 1 \"b\": 2\n}");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().hintText(), "  \"\xC3\xA9\": 1 \"b\": 2\n           ^");
  const std::string longLine = "[" + std::string(500, ' ') + "x" + std::string(500, ' ') + "]";
  const Result<Value> far = parse(longLine);
  ASSERT_FALSE(far.ok());
  EXPECT_LT(far.error().hintText().size(), 200U);
}

TEST(JsonParse, ADuplicateKeyIsRefusedWithItsPath) {
  EXPECT_EQ(refused(R"({"a":1,"b":{"c":[1,{"d":1,"d":2}]}})"),
            "the member 'b.c[1].d' is given twice; the second one is in line 1, column 27 (byte 26)");
  std::string many = "{";
  for (int number = 0; number < 100; ++number) many += fmt::format("\"k{}\":0,", number);
  EXPECT_NE(refused(many + "\"k\\u0037\":1}").find("'k7' is given twice"), std::string::npos);
  parsed(many + "\"k100\":1}");
}

TEST(JsonParse, KeepsItsBounds) {
  Limits limits;
  limits.depth = 4;
  EXPECT_TRUE(parse("[[[[1]]]]", limits).ok());
  EXPECT_NE(refused("[[[[[1]]]]]", limits).find("deeper than 4"), std::string::npos);
  limits = {};
  limits.tokens = 9;
  EXPECT_TRUE(parse(R"({"a":[1,2]})", limits).ok());  // { "a" : [ 1 , 2 ] }
  EXPECT_NE(refused(R"({"a":[1,2,3]})", limits).find("more than 9 tokens"), std::string::npos);
  limits = {};
  limits.bytes = 10;
  EXPECT_TRUE(parse("\"12345678\"", limits).ok());
  EXPECT_EQ(refused("\"123456789\"", limits), "the JSON text is 11 bytes long; the limit is 10 bytes");
  EXPECT_NE(refused(std::string(100000, '[')).find("deeper than 1024"), std::string::npos);
}

TEST(JsonPath, RendersMembersItemsAndOddNames) {
  const Path root("arguments");
  const Path options = root.member("options");
  const Path first = options.item(0);
  const Path cache = first.member("cache.direct");
  EXPECT_EQ(first.render(), "arguments.options[0]");
  EXPECT_EQ(cache.render(), "arguments.options[0][\"cache.direct\"]");
  EXPECT_EQ(Path().render(), "");
}

}  // namespace
}  // namespace rhea::json
