// The generator's complaints, and that it leaves alone what did not change.
#include <gtest/gtest.h>

#include "tests/lib/command.h"
#include "tests/lib/temp-dir.h"

namespace rhea {
namespace {

std::string generator() {
  const char* build = std::getenv("RHEA_BUILD");
  return std::string(build != nullptr ? build : "build") + "/bin/qapi-gen";
}

class QapiGenerator : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) { std::ofstream(dir.file(name)) << text; }

  // The messages for one file with these entries, without the folder's name.
  std::string complaints(const std::string& entries, const std::string& config = "") {
    write("t.json", R"({ "subject": "t", "doc": "d",)"
                    "\n"
                    R"("entries": [)"
                    "\n" +
                        entries + "\n] }");
    write("config.h", config);
    const test::CommandResult result =
        test::run(generator() + " --check --config " + dir.file("config.h") + " " + dir.file("t.json"));
    std::string text = result.output;
    for (std::size_t at = text.find(dir.path()); at != std::string::npos; at = text.find(dir.path())) {
      text.erase(at, dir.path().size() + 1);
    }
    EXPECT_EQ(result.status, text.empty() ? 0 : 1) << text;
    return text;
  }

  test::TempDir dir;
};

constexpr const char* kExample = R"("example": [{"execute": "c"}, {"return": {}}])";

std::string command(const std::string& more) {
  return R"({"command": "c", "doc": "d", "effect": "read", )" + more + kExample + "}";
}

TEST_F(QapiGenerator, AcceptsAGoodSchema) { EXPECT_EQ(complaints(command("")), ""); }

TEST_F(QapiGenerator, NamesFileLineAndPath) {
  EXPECT_EQ(complaints(R"({"struct": "S", "doc": "d",
 "data": {"a": {"type": "sise", "doc": "d"}}})"),
            "t.json:4: struct S: data.a: there is no type 'sise'; did you mean 'size'?\n");
}

TEST_F(QapiGenerator, RefusesUnknownKeysWithTheNearest) {
  EXPECT_EQ(complaints(R"({"struct": "S", "doc": "d", "dota": {}})"),
            "t.json:3: struct S: dota: this key is not known here; did you mean 'data'?\n");
}

TEST_F(QapiGenerator, WantsDocumentationEverywhere) {
  EXPECT_EQ(complaints(R"({"struct": "S", "data": {"a": {"type": "int"}, "b": "int"}})"),
            "t.json:3: struct S: 'doc' is missing\n"
            "t.json:3: struct S: data.a: 'doc' is missing\n"
            "t.json:3: struct S: data.b: a member is an object with \"type\" and \"doc\"; the short form has no doc\n");
  EXPECT_EQ(complaints(R"({"enum": "E", "doc": "d", "values": {"a": "", "b": "x"}})"),
            "t.json:3: enum E: values.a: its documentation is missing\n");
}

TEST_F(QapiGenerator, RefusesNamesThatMeet) {
  EXPECT_EQ(complaints(R"({"enum": "E", "doc": "d", "values": {"a-b": "x", "a_b": "y"}})"),
            "t.json:3: enum E: values.a_b: 'a-b' and 'a_b' are both aB in C++\n");
  EXPECT_EQ(complaints(R"({"struct": "S", "doc": "d", "data": {}},
{"enum": "S", "doc": "d", "values": {"a": "x"}})"),
            "t.json:4: enum S: there is a type 'S' already, in t.json\n"
            "t.json:4: enum S: in C++ it would be S, as 'S' in t.json is\n");
  EXPECT_EQ(complaints(R"({"struct": "C", "doc": "d", "data": {}},)" + command("")),
            "t.json:3: command c: in C++ it would be C, as 'C' in t.json is\n");
}

TEST_F(QapiGenerator, ChecksUnionsAndAlternates) {
  const std::string types = R"({"enum": "E", "doc": "d", "values": {"a": "x"}},
{"struct": "S", "doc": "d", "data": {"t": {"type": "int", "doc": "d"}}},
)";
  EXPECT_EQ(complaints(types + R"({"union": "U", "doc": "d", "base": {"t": {"type": "E", "doc": "d"}},
"discriminator": "t", "variants": {"b": "S"}})"),
            "t.json:6: union U: variants.b: 'b' is no value of E; did you mean 'a'?\n"
            "t.json:6: union U: variants.b: its member 't' is in the union's base already\n");
  EXPECT_EQ(complaints(types + R"({"union": "U", "doc": "d", "base": {"t": {"type": "str", "doc": "d"}},
"discriminator": "t", "variants": {"a": "S"}})"),
            "t.json:5: union U: the discriminator 't' must be an enum that is always given\n");
  EXPECT_EQ(complaints(types + R"({"alternate": "A", "doc": "d", "data": {"x": "str", "y": "E"}})"),
            "t.json:5: alternate A: data.y: both 'x' and 'y' are a JSON string\n");
}

TEST_F(QapiGenerator, ATypeMayHoldItselfOnlyWhereItCanEnd) {
  EXPECT_EQ(complaints(R"({"struct": "S", "doc": "d", "data": {"next?": {"type": "S", "doc": "d"}}})"), "");
  EXPECT_EQ(complaints(R"({"struct": "S", "doc": "d", "data": {"next": {"type": "S", "doc": "d"}}})"),
            "t.json:3: struct S: it holds 'S', which must hold 'S' again, without end\n");
}

TEST_F(QapiGenerator, ChecksHumanForms) {
  const std::string data = R"("data": {"device": {"type": "str", "doc": "d"}}, "example": [
{"execute": "c", "arguments": {"device": "x"}}, {"return": {}}]})";
  const auto form = [&](const std::string& text) {
    return complaints(R"({"command": "c", "doc": "d", "effect": "read", "human": {"form": ")" + text +
                      R"(", "doc": "d"}, )" + data);
  };
  EXPECT_EQ(form("c device:drive"), "");
  EXPECT_EQ(form("c devise:drive"),
            "t.json:3: command c: human.form names 'devise', which is no member of the command; did you mean "
            "'device'?\n"
            "t.json:3: command c: human.form leaves out 'device', which must be given\n");
  EXPECT_NE(form("c device:drove").find("'device:drove': an argument is NAME:KIND, with a KIND of drive node"),
            std::string::npos);
  EXPECT_EQ(form("c [-f:device] device:drive"), "t.json:3: command c: the flag -f sets 'device', which is no bool\n");
  EXPECT_NE(form("c [device:drive] word").find("a literal word behind an argument"), std::string::npos);
  EXPECT_NE(form("c device:enum:Mode").find("there is no type 'Mode'"), std::string::npos);
}

TEST_F(QapiGenerator, HoldsExamplesAgainstTheTypes) {
  const std::string head = R"({"command": "c", "doc": "d", "effect": "read", "returns": ["int"],
"data": {"size": {"type": "int", "doc": "d"}, "name?": {"type": "str", "doc": "d"}}, "example": )";
  EXPECT_EQ(complaints(head + R"([{"execute": "c", "arguments": {"size": 1}}, {"return": [1, "...", 2]}]})"), "");
  EXPECT_EQ(complaints(head + R"([
{"execute": "c", "arguments": {"sise": 1}},
{"return": [1, true]}]})"),
            "t.json:5: command c: example.[0].arguments.sise: c has no such member\n"
            "t.json:5: command c: example.[0].arguments: 'size' is missing\n"
            "t.json:6: command c: example.[1].return.[1]: expected a value of type int, found a boolean\n");
  EXPECT_EQ(complaints(head + R"([{"execute": "d"}, {"return": {}}]})"),
            "t.json:4: command c: example.[0]: there is no command \"d\"\n"
            "t.json:4: command c: example.[1]: a reply without a request\n"
            "t.json:4: command c: example: the example does not show c\n");
}

TEST_F(QapiGenerator, ChecksUses) {
  write("a.json", R"({"subject": "a", "doc": "d", "entries": [{"enum": "E", "doc": "d", "values": {"x": "d"}}]})");
  write("b.json", R"({"subject": "b", "doc": "d", "uses": ["nothing"],
"entries": [{"struct": "S", "doc": "d", "data": {"e": {"type": "E", "doc": "d"}}}]})");
  const test::CommandResult result =
      test::run("cd " + dir.path() + " && " + (generator().starts_with('/') ? "" : "$OLDPWD/") + generator() +
                " --check a.json b.json");
  EXPECT_EQ(result.output,
            "b.json:1: uses: there is no subject 'nothing'\n"
            "b.json:2: struct S: data.e: the type 'E' is in 'a', which this file's \"uses\" does not name\n");
}

TEST_F(QapiGenerator, LeavesOutWhatAConditionTurnsOff) {
  const std::string entries = R"({"enum": "E", "doc": "d", "values": {"a": "x", "b": {"doc": "y", "if": "HAVE_B"}}},
{"command": "c", "doc": "d", "effect": "read", "returns": "E", "example": [{"execute": "c"}, {"return": "b"}]})";
  EXPECT_EQ(complaints(entries, "#define RHEA_HAVE_B 1\n"), "");
  EXPECT_EQ(complaints(entries, "#define RHEA_HAVE_B 0\n"),
            "t.json:4: command c: example.[1].return: 'b' is no value of E\n");
  EXPECT_EQ(complaints(R"({"enum": "E", "doc": "d", "if": "HAVE_X", "values": {"a": "x"}})"),
            "t.json:3: enum E: if: config.h defines neither 'HAVE_X' nor 'RHEA_HAVE_X' as 0 or 1\n");
}

TEST_F(QapiGenerator, ShowsWhereTheJsonIsBroken) {
  write("t.json", "{ \"subject\": \"t\",\n  \"doc\" \"d\" }");
  const test::CommandResult result = test::run(generator() + " --check " + dir.file("t.json"));
  EXPECT_EQ(result.status, 1);
  EXPECT_NE(result.output.find("line 2, column 9"), std::string::npos) << result.output;
}

TEST_F(QapiGenerator, WritesOnlyWhatChanged) {
  const auto generate = [&] { return test::run(generator() + " --out " + dir.file("out") + " " + dir.file("t.json")); };
  static_cast<void>(complaints(R"({"struct": "S", "doc": "d", "data": {}},)" + command("")));
  ASSERT_EQ(generate().status, 0);
  namespace fs = std::filesystem;
  const fs::path types = dir.file("out/qapi/types-t.h");
  const auto longAgo = fs::last_write_time(types) - std::chrono::hours(1);
  fs::last_write_time(types, longAgo);
  fs::last_write_time(dir.file("out/qapi/commands-t.cc"), longAgo);
  static_cast<void>(complaints(R"({"struct": "S", "doc": "d", "data": {}},)" + command(R"("allow-oob": true, )")));
  ASSERT_EQ(generate().status, 0);
  EXPECT_EQ(fs::last_write_time(types), longAgo);
  EXPECT_NE(fs::last_write_time(dir.file("out/qapi/commands-t.cc")), longAgo);
}

}  // namespace
}  // namespace rhea
