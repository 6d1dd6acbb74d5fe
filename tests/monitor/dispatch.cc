#include <fcntl.h>

#include <fstream>

#include "monitor/dispatch/audit.h"
#include "tests/lib/temp-dir.h"
#include "tests/monitor/qmp-fixture.h"

namespace rhea::monitor {
namespace {

using namespace test;

// A struct with a secret, as the generator makes them.
constexpr std::array<json::MemberInfo, 2> kMembers = {
    {{"user", &json::TypeOf<std::string>::kInfo, 0, false, nullptr},
     {"password", &json::TypeOf<std::string>::kInfo, sizeof(std::string), true, nullptr}}};
constexpr json::TypeInfo kLogin{.kind = json::TypeKind::kStruct, .name = "Login", .members = kMembers};
constexpr CommandInfo kLoginInfo{"login", Effect::kChange, false, false, false, 0s, &kLogin, ""};

class AuditedCommands : public QmpTest {
 protected:
  std::vector<std::string> lines() const {
    std::vector<std::string> result;
    std::ifstream file(path_);
    for (std::string line; std::getline(file, line);) result.push_back(line);
    return result;
  }
  rhea::test::TempDir folder_;
  std::string path_ = folder_.file("audit.log");
};

TEST_F(AuditedCommands, areToldWithWhoWhatHowLongAndResult) {
  auto log = *AuditLog::open(path_, workers_);
  dispatcher_.setAudit(log.get());
  FakeClient client = connectReady();
  ask(client, R"({"execute": "change", "arguments": {"text": "x"}})");
  ask(client, R"({"execute": "echo", "arguments": {}})");
  ask(client, R"({"execute": "stubborn", "timeout": 0.01})");
  ground_.gate.set();
  nextLine(client);
  dispatcher_.setAudit(nullptr);
  log.reset();
  ASSERT_EQ(lines().size(), 3U) << "what only reads is not told";
  const json::Value first = *json::parse(lines()[0]);
  EXPECT_EQ(first.find("session")->asString(), "qmp0#1");
  EXPECT_EQ(first.find("command")->asString(), "change");
  EXPECT_EQ(first.find("result")->asString(), "done");
  EXPECT_EQ(first.find("arguments")->text(), R"({"text": "x"})");
  EXPECT_NE(first.find("who")->asString().find(fmt::format("pid {}", getpid())), std::string::npos);
  EXPECT_TRUE(first.find("duration-us")->isInteger());
  EXPECT_EQ(json::parse(lines()[1])->find("result")->asString(), "goes on");
  EXPECT_EQ(json::parse(lines()[2])->find("result")->asString(), "done");
  EXPECT_EQ(json::parse(lines()[2])->find("operation")->asString(), "operation-1");
}

TEST_F(AuditedCommands, hideTheirSecrets) {
  const json::Value arguments = *json::parse(R"({"user": "root", "password": "geheim"})");
  const Error error("no");
  const Peer peer;
  const std::string line = AuditLog::render({kLoginInfo, peer, arguments, 5us, &error});
  EXPECT_EQ(line.find("geheim"), std::string::npos) << line;
  EXPECT_NE(line.find("(secret)"), std::string::npos) << line;
  EXPECT_NE(line.find("root"), std::string::npos) << line;
  EXPECT_NE(line.find(R"("result": "failed")"), std::string::npos) << line;
}

TEST_F(AuditedCommands, saysWhyALogCannotBeOpened) {
  EXPECT_FALSE(AuditLog::open("/nonexistent/audit", workers_).ok());
}

class InProcessClient : public QmpTest {};

TEST_F(InProcessClient, getsWhatStandsUnderReturn) {
  const auto caller = std::make_shared<const Caller>();
  const Result<json::Text> reply =
      rhea::test::runTask(*loop_, dispatcher_.execute(caller, "echo", *json::parse("[1]")));
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(*reply, "[1]");
  EXPECT_FALSE(rhea::test::runTask(*loop_, dispatcher_.execute(caller, "fail", {})).ok());
  EXPECT_FALSE(rhea::test::runTask(*loop_, dispatcher_.execute(caller, "nothing", {})).ok());
}

TEST_F(InProcessClient, waitsForWhatTakesLong) {
  const auto caller = std::make_shared<const Caller>();
  const auto timer = loop_->timer(5ms, [this] { ground_.gate.set(); });
  const Result<json::Text> reply = rhea::test::runTask(*loop_, dispatcher_.execute(caller, "wait", {}));
  EXPECT_EQ(*reply, "\"waited\"");
}

}  // namespace
}  // namespace rhea::monitor
