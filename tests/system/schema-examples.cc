// Every example of the schema is run against a fresh rhea through a real socket: what the reference shows is what
// happens.
//
// A request of getfd or add-fd carries a descriptor of /dev/null. An event in an example has to come before or after
// the reply next to it; other events may come besides. An error may have members that the example does not show.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/lib/emulator.h"
#include "tests/lib/json-match.h"

namespace rhea::test {

namespace {

struct Example {
  std::string name;
  bool human;         // lines for the human monitor, not messages
  json::Value steps;  // of one entry
};

void PrintTo(const Example& example, std::ostream* to) { *to << example.name; }

std::string textOf(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::string generatedExamples() {
  const char* build = std::getenv("RHEA_BUILD");
  return std::string(build != nullptr ? build : "build") + "/gen/examples.json";
}

std::string_view memberText(json::View object, std::string_view key) {
  const std::optional<json::View> value = object.find(key);
  return value && value->isString() ? value->asString() : std::string_view();
}

// BUILD/gen/examples.json: [{"name": ..., "kind": "command" or "human-command", "example": [...]}, ...]
std::vector<Example> examples() {
  std::vector<Example> found;
  const std::string path = generatedExamples();
  const Result<json::Value> all = json::parse(textOf(path));
  if (!all.ok() || !all->isArray()) return found;
  for (const json::View entry : all->items()) {
    const bool human = memberText(entry, "kind") == "human-command";
    const json::View steps = *entry.find("example");
    // An event alone shows what it looks like; only a guest or a slow reader can make it happen.
    if (!human && steps.size() == 1) continue;
    found.push_back({std::string(memberText(entry, "name")), human, json::Value(steps)});
  }
  return found;
}

bool carriesDescriptor(json::View request) {
  const std::string_view command = memberText(request, "execute");
  return command == "getfd" || command == "add-fd";
}

json::Value askWithDescriptor(QmpClient& client, json::View request) {
  if (!carriesDescriptor(request)) return client.ask(request.text());
  const int descriptor = open("/dev/null", O_RDWR | O_CLOEXEC);
  json::Value reply = client.ask(request.text(), descriptor);
  close(descriptor);
  return reply;
}

// A reply as the example may show it: without the id, and of an error the class and text alone.
void expectReply(json::View shown, json::View got) {
  const std::string_view kind = shown.find("error") ? "error" : "return";
  const std::optional<json::View> value = got.find(kind);
  ASSERT_TRUE(value) << "expected " << shown.text() << "\nfound    " << got.text();
  if (kind == "return") {
    EXPECT_EQ("", mismatch(*shown.find(kind), *value, "return")) << got.text();
    return;
  }
  for (const json::Member member : shown.find(kind)->members()) {
    const std::optional<json::View> found = value->find(member.key);
    ASSERT_TRUE(found) << member.key << " is missing in " << got.text();
    EXPECT_EQ("", mismatch(member.value, *found, "error." + std::string(member.key)));
  }
}

void expectEvent(QmpClient& client, json::View shown) {
  const std::function<bool(json::View)> wanted = [shown](json::View event) {
    if (memberText(event, "event") != memberText(shown, "event")) return false;
    const std::optional<json::View> data = shown.find("data");
    const std::optional<json::View> found = event.find("data");
    return !data || (found && mismatch(*data, *found).empty());
  };
  EXPECT_TRUE(client.event(wanted)) << "this event did not come: " << shown.text();
}

void runConversation(const Emulator& emulator, json::View steps) {
  const bool negotiates = memberText(*steps.items().begin(), "execute") == "qmp_capabilities";
  const std::unique_ptr<QmpClient> client = emulator.connect(!negotiates);
  std::optional<json::Value> reply;
  for (const json::View step : steps.items()) {
    if (step.find("event")) {
      expectEvent(*client, step);
    } else if (step.find("execute") || step.find("exec-oob")) {
      reply = askWithDescriptor(*client, step);
    } else {
      ASSERT_TRUE(reply) << "a reply without a request: " << step.text();
      expectReply(step, *reply);
    }
    if (testing::Test::HasFatalFailure()) return;
  }
}

void runLines(const Emulator& emulator, json::View lines) {
  const std::unique_ptr<QmpClient> client = emulator.connect();
  for (const json::View line : lines.items()) {
    const json::Value shown = client->returned("human-monitor-command", "{\"command-line\": " + line.text() + "}");
    EXPECT_FALSE(shown.asString().starts_with("error")) << line.text() << " shows:\n" << shown.asString();
  }
}

class SchemaExample : public testing::TestWithParam<Example> {};

std::string testName(const testing::TestParamInfo<Example>& info) {
  std::string name = (info.param.human ? "human_" : "") + info.param.name;
  for (char& letter : name) {
    if (std::isalnum(static_cast<unsigned char>(letter)) == 0) letter = '_';
  }
  return name;
}

}  // namespace

TEST(SchemaExamples, AreGenerated) {
  EXPECT_TRUE(std::filesystem::exists(generatedExamples())) << generatedExamples();
  EXPECT_GT(examples().size(), 50U);
}

TEST_P(SchemaExample, RunsAsShown) {
  Emulator emulator;
  if (GetParam().human) {
    runLines(emulator, GetParam().steps);
  } else {
    runConversation(emulator, GetParam().steps);
  }
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SchemaExample);
INSTANTIATE_TEST_SUITE_P(Schema, SchemaExample, testing::ValuesIn(examples()), testName);

}  // namespace rhea::test
