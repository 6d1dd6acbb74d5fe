// Generated types: what is read is what was sent, and what does not fit is told with its path.
#include <gtest/gtest.h>

#include "qapi/commands-block-core.h"
#include "qapi/types-block-options.h"
#include "qapi/types-machine.h"
#include "qapi/types-object.h"

namespace rhea::qapi {
namespace {

json::Value parsed(std::string_view text) {
  Result<json::Value> value = json::parse(text);
  EXPECT_TRUE(value.ok()) << text;
  return value.ok() ? *value : json::Value();
}

template <class T>
T readOrFail(std::string_view text, json::Spelling spelling = json::Spelling::kJson) {
  Result<T> value = readJson<T>(parsed(text), json::Path("arguments"), spelling);
  EXPECT_TRUE(value.ok()) << (value.ok() ? "" : value.error().describe());
  return value.ok() ? *std::move(value) : T();
}

template <class T>
Error refused(std::string_view text, json::Spelling spelling = json::Spelling::kJson) {
  Result<T> value = readJson<T>(parsed(text), json::Path("arguments"), spelling);
  EXPECT_FALSE(value.ok()) << text;
  return value.ok() ? Error("nothing was refused") : value.takeError();
}

TEST(QapiTypes, AUnionTakesTheMembersOfItsBranch) {
  const auto options = readOrFail<BlockdevOptions>(
      R"({"driver":"raw","node-name":"fmt","offset":512,"cache":{"direct":true},
          "file":{"driver":"file","filename":"a.raw","locking":"off"}})");
  EXPECT_EQ(options.driver, BlockdevDriver::raw);
  EXPECT_EQ(options.nodeName, "fmt");
  ASSERT_TRUE(options.cache);
  EXPECT_EQ(options.cache->direct, true);
  EXPECT_FALSE(options.cache->noFlush);
  const auto& raw = std::get<BlockdevOptionsRaw>(options.u);
  EXPECT_EQ(raw.offset, 512);
  const BlockdevOptions& child = *std::get<Box<BlockdevOptions>>(raw.file.u);
  EXPECT_EQ(child.driver, BlockdevDriver::file);
  EXPECT_EQ(std::get<BlockdevOptionsFile>(child.u).filename, "a.raw");
}

TEST(QapiTypes, AnAlternateIsToldApartByItsJsonType) {
  const auto options = readOrFail<BlockdevOptions>(R"({"driver":"raw","file":"node0"})");
  EXPECT_EQ(std::get<std::string>(std::get<BlockdevOptionsRaw>(options.u).file.u), "node0");
  EXPECT_EQ(refused<BlockdevOptions>(R"({"driver":"raw","file":7})").message(),
            "'arguments.file' must be an object or a string, not the number 7");
}

TEST(QapiTypes, WhatIsReadIsWrittenBack) {
  for (const char* text : {
           R"({"driver": "raw", "node-name": "fmt", "cache": {"direct": true}, "file": "node0", "size": 1024})",
           R"({"driver": "null-co", "size": 1048576, "latency-ns": 5})",
           R"({"driver": "throttle", "throttle-group": "g0", "file": {"driver": "file", "filename": "x\ty"}})",
       }) {
    const auto options = readOrFail<BlockdevOptions>(text);
    const BlockdevOptions copy = options;
    // The order of members is the schema's; compare as values.
    const auto again = readOrFail<BlockdevOptions>(toText(copy));
    EXPECT_EQ(toText(again), toText(options));
    EXPECT_EQ(parsed(toText(options)).size(), parsed(text).size()) << toText(options);
  }
}

TEST(QapiTypes, ErrorsNameThePathWhatWasExpectedAndTheNearest) {
  Error error = refused<BlockdevReopen>(R"({"options":[{"driver":"file","filename":"a","cache":{"direct":"yes"}}]})");
  EXPECT_EQ(error.message(), "'arguments.options[0].cache.direct' must be a boolean, not the string \"yes\"");
  EXPECT_EQ(error.whereText(), "arguments.options[0].cache.direct");
  EXPECT_EQ(error.expectedText(), "a boolean");

  error = refused<BlockResize>(R"({"devic":"d0","size":1})");
  EXPECT_EQ(error.message(), "unknown member 'arguments.devic'; did you mean 'device'?");
  ASSERT_FALSE(error.candidateNames().empty());
  EXPECT_EQ(error.candidateNames().front(), "device");

  error = refused<BlockResize>(R"({"device":"d0"})");
  EXPECT_EQ(error.message(), "the member 'arguments.size' is missing; it must be a size in bytes");

  error = refused<BlockdevOptions>(R"({"driver":"gluster","file":"x"})");
  EXPECT_EQ(error.whereText(), "arguments.driver");
  EXPECT_NE(error.message().find("there is: blkdebug, "), std::string::npos) << error.message();

  error = refused<BlockdevOptions>(R"({"driver":"rwa","file":"x"})");
  EXPECT_EQ(error.message(), "'arguments.driver' does not take the string \"rwa\"; did you mean 'raw'?");

  error = refused<BlockdevOptions>(R"({"node-name":"x"})");
  EXPECT_NE(error.message().find("'arguments.driver' is missing"), std::string::npos);

  error = refused<BlockResize>(R"({"size":1e3})");
  EXPECT_EQ(error.message(), "'arguments.size' must be a size in bytes, not the number 1e3");

  EXPECT_EQ(refused<BlockResize>("[]").message(), "'arguments' must be an object, not an array");
}

TEST(QapiTypes, WhatPeopleTypeIsReadByItsType) {
  const auto options = readOrFail<BlockdevOptions>(
      R"({"driver":"null-co","read-only":"on","size":"0x1000","cache":{"direct":"off"}})", json::Spelling::kKeyval);
  EXPECT_EQ(options.readOnly, true);
  EXPECT_EQ(options.cache->direct, false);
  EXPECT_EQ(std::get<BlockdevOptionsNull>(options.u).size, 4096);
  EXPECT_EQ(refused<BlockdevOptions>(R"({"driver":"null-co","read-only":"maybe"})", json::Spelling::kKeyval).message(),
            "'arguments.read-only' must be on or off, not the string \"maybe\"");
  EXPECT_FALSE(readJson<BlockdevOptions>(parsed(R"({"driver":"null-co","read-only":"on"})")).ok());
}

TEST(QapiTypes, EnumsHaveNamesBothWays) {
  EXPECT_EQ(toString(BlockdevDriver::nullCo), "null-co");
  EXPECT_EQ(fromString<BlockdevDriver>("null-co"), BlockdevDriver::nullCo);
  EXPECT_FALSE(fromString<BlockdevDriver>("nullCo"));
  EXPECT_EQ(names<BlockdevDriver>().size(), json::TypeOf<BlockdevDriver>::kInfo.values.size());
}

TEST(QapiTypes, SecretsAreRedacted) {
  const json::TypeInfo& type = json::TypeOf<ObjectOptions>::kInfo;
  EXPECT_EQ(json::redacted(type, parsed(R"({"qom-type":"secret","id":"s0","data":"hunter2","format":"raw"})")),
            R"j({"qom-type": "secret", "id": "s0", "data": "(secret)", "format": "raw"})j");
  // What does not fit the type is shown as it came, but never the member's value.
  EXPECT_EQ(json::redacted(type, parsed(R"({"qom-type":"secret","data":{"x":1},"y":2})")),
            R"j({"qom-type": "secret", "data": "(secret)", "y": 2})j");
}

TEST(QapiTypes, ABoxCopiesDeeply) {
  BlockdevOptions inner;
  inner.driver = BlockdevDriver::nullCo;
  inner.u = BlockdevOptionsNull();
  BlockdevOptions outer;
  outer.driver = BlockdevDriver::raw;
  BlockdevOptionsRaw raw;
  raw.file.u = Box<BlockdevOptions>(inner);
  outer.u = raw;
  const BlockdevOptions copy = outer;
  std::get<Box<BlockdevOptions>>(std::get<BlockdevOptionsRaw>(outer.u).file.u)->nodeName = "changed";
  EXPECT_FALSE((*std::get<Box<BlockdevOptions>>(std::get<BlockdevOptionsRaw>(copy.u).file.u)).nodeName);
  EXPECT_EQ(toText(copy), R"({"driver": "raw", "file": {"driver": "null-co"}})");
}

}  // namespace
}  // namespace rhea::qapi
