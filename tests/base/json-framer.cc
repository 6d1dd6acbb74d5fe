#include "emu/base/json-framer.h"

#include <gtest/gtest.h>

namespace rhea::json {
namespace {

// What a stream gives when it comes in pieces of `piece` bytes: values as text, errors as "!" and their first words.
std::vector<std::string> framed(std::string_view stream, std::size_t piece, const Limits& limits = {}) {
  Framer framer(limits);
  std::vector<std::string> seen;
  const auto note = [&seen](Result<Value> message) {
    seen.push_back(message.ok() ? message->text() : "!" + message.error().message().substr(0, 24));
  };
  for (std::size_t at = 0; at < stream.size(); at += piece) {
    framer.feed(stream.substr(at, piece));
    while (std::optional<Result<Value>> message = framer.next()) note(*std::move(message));
  }
  while (std::optional<Result<Value>> message = framer.finish()) note(*std::move(message));
  return seen;
}

void expectFrames(std::string_view stream, const std::vector<std::string>& expected, const Limits& limits = {}) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}, stream.size() + 1}) {
    EXPECT_EQ(framed(stream, piece, limits), expected) << "in pieces of " << piece << ": " << stream;
  }
}

constexpr const char* kSyntax = "!JSON syntax error in lin";

TEST(JsonFramer, FindsValuesInAnySplitWithoutNewlines) {
  expectFrames(R"({"a":1}{"b":[{}]} "x"  [1,2]{})", {R"({"a": 1})", R"({"b": [{}]})", "\"x\"", "[1, 2]", "{}"});
  expectFrames("\r\n {\"a\"\n:\t1}\r\n", {R"({"a": 1})"});
  expectFrames(R"({"a":"}{\"]["}[])", {R"({"a": "}{\"]["})", "[]"});
  expectFrames("1 2\ntrue[3]null", {"1", "2", "true", "[3]", "null"});
}

TEST(JsonFramer, ABrokenMessageGivesOneErrorAndTheNextIsRead) {
  expectFrames("{\"execute\" \"foo\"}\n{\"b\":1}\n", {kSyntax, R"({"b": 1})"});
  expectFrames("{\"execute\" \"foo\"}{\"b\":1}", {kSyntax, R"({"b": 1})"});
  expectFrames("{\"a\":[1}]}\n[2]", {kSyntax, "[2]"});
  expectFrames("{'a': 'b'}\n[2]", {kSyntax, "[2]"});
  expectFrames("}}}],,:\n[2]", {kSyntax, "[2]"});
  expectFrames("{\"a\": tru}\n[2]", {kSyntax, "[2]"});
  expectFrames("{\"a\":1,\"a\":2}[2]", {"!the member 'a' is given ", "[2]"});
  expectFrames("{\"a\": \"b\n\"}\n{\"c\":1}\n", {kSyntax, R"({"c": 1})"});
}

TEST(JsonFramer, AMessageThatWasNeverClosedDoesNotSwallowTheNext) {
  expectFrames("{\"execute\":\"query-status\"\n{\"b\":1}\n", {kSyntax, R"({"b": 1})"});
  expectFrames("{\"a\":{\"b\":[1\n{\"b\":1}\n", {kSyntax, R"({"b": 1})"});
}

TEST(JsonFramer, AResetByteDropsWhatIsUnfinished) {
  expectFrames("\xFF{\"a\":1}\xFF\xFF[2]", {R"({"a": 1})", "[2]"});
  expectFrames("{\"a\":\xFF[2]", {"!a reset byte (0xff) cut ", "[2]"});
  expectFrames("{\"a\":\"xyz\xFF[2]", {"!a reset byte (0xff) cut ", "[2]"});
  expectFrames("{1{{\"\xFF[2]", {kSyntax, "[2]"});
}

TEST(JsonFramer, BoundsGiveOneErrorAndTheSessionGoesOn) {
  Limits limits;
  limits.bytes = 20;
  expectFrames("{\"a\":\"0123456789012345678901234567890 } \"}{\"b\":1}", {"!the JSON message is long", R"({"b": 1})"},
               limits);
  limits = {};
  limits.depth = 3;
  expectFrames("[[[1]]][[[[[1]]]]][2]", {"[[[1]]]", "!the JSON message nests a", "[2]"}, limits);
  limits = {};
  limits.tokens = 9;
  expectFrames("[1,2,3,4][1,2,3,4,5][1,[2,3]]", {"[1, 2, 3, 4]", "!the JSON message has mor", "[1, [2, 3]]"}, limits);
}

TEST(JsonFramer, MemoryIsBoundedWhileDiscarding) {
  Limits limits;
  limits.bytes = 1000;
  Framer framer(limits);
  framer.feed("{\"a\":\"");
  std::size_t errors = 0;
  const std::string block(4096, 'x');
  for (int round = 0; round < 1000; ++round) {
    framer.feed(block);
    while (const std::optional<Result<Value>> message = framer.next()) errors += message->ok() ? 0 : 1;
    ASSERT_LE(framer.held(), limits.bytes + block.size());
  }
  EXPECT_EQ(errors, 1U);
  framer.feed("\"}{}");
  const std::optional<Result<Value>> last = framer.next();
  ASSERT_TRUE(last && last->ok());
  EXPECT_TRUE((*last)->isObject());
}

TEST(JsonFramer, TheEndOfTheStreamTellsWhatIsUnfinished) {
  expectFrames("{\"a\":1}{\"b\"", {R"({"a": 1})", "!the stream ended inside "});
  expectFrames("  \n", {});
}

}  // namespace
}  // namespace rhea::json
