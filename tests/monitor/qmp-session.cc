#include "tests/monitor/qmp-fixture.h"

namespace rhea::monitor {
namespace {

using namespace test;

class QmpSession : public QmpTest {};

TEST_F(QmpSession, greetsWithItsVersionAndCapabilities) {
  FakeClient client = connect();
  EXPECT_EQ(nextLine(client),
            R"({"QMP": {"version": {"qemu": {"major": 7}, "package": "rhea"}, "capabilities": ["oob"]}})");
}

TEST_F(QmpSession, runsNothingBeforeTheHandshakeAndNoSecondHandshake) {
  FakeClient client = connect();
  nextLine(client);
  const std::string early = ask(client, R"({"execute": "echo", "id": 1})");
  EXPECT_NE(early.find(R"("class": "CommandNotFound")"), std::string::npos) << early;
  EXPECT_NE(early.find("negotiated"), std::string::npos) << early;
  EXPECT_NE(early.find(R"("id": 1)"), std::string::npos) << early;
  EXPECT_EQ(ask(client, R"({"execute": "qmp_capabilities"})"), R"({"return": {}})");
  EXPECT_NE(ask(client, R"({"execute": "qmp_capabilities"})").find("CommandNotFound"), std::string::npos);
}

TEST_F(QmpSession, takesMessagesSplitAtEveryByte) {
  FakeClient client = connectReady();
  const std::string text = R"({"execute":"echo","arguments":{"a":[1,"}\"{"]},"id":"x"})";
  for (std::size_t split = 1; split < text.size(); ++split) {
    client.send(text.substr(0, split));
    pause(50us);
    client.send(text.substr(split));
    ASSERT_EQ(nextLine(client), R"({"return": {"a": [1, "}\"{"]}, "id": "x"})") << split;
  }
}

TEST_F(QmpSession, needsNoNewlinesBetweenMessagesAndKeepsTheirOrder) {
  FakeClient client = connectReady();
  std::string text;
  for (int number = 0; number < 1000; ++number) {
    text += fmt::format(R"({{"execute":"echo","arguments":{{}},"id":{}}})", number);
  }
  client.send(text);
  for (int number = 0; number < 1000; ++number) {
    ASSERT_EQ(nextLine(client), fmt::format(R"({{"return": {{}}, "id": {}}})", number));
  }
}

TEST_F(QmpSession, echoesIdsOfAnyType) {
  FakeClient client = connectReady();
  for (const std::string_view id : {"1", "-1.5", "\"a\"", "null", "true", "[1, {\"b\": 2}]", "{\"c\": []}"}) {
    EXPECT_EQ(ask(client, fmt::format(R"({{"id": {}, "execute": "echo", "arguments": {{}}}})", id)),
              fmt::format(R"({{"return": {{}}, "id": {}}})", id));
    const std::string failed = ask(client, fmt::format(R"({{"execute": "no-such", "id": {}}})", id));
    EXPECT_TRUE(failed.ends_with(fmt::format(", \"id\": {}}}", id))) << failed;
  }
}

TEST_F(QmpSession, namesTheNearestCommand) {
  FakeClient client = connectReady();
  const std::string reply = ask(client, R"({"execute": "eco"})");
  EXPECT_NE(reply.find(R"("class": "CommandNotFound")"), std::string::npos) << reply;
  EXPECT_NE(reply.find(R"("candidates": ["echo")"), std::string::npos) << reply;
}

TEST_F(QmpSession, passesAnErrorsPartsAsMembers) {
  FakeClient client = connectReady();
  EXPECT_EQ(ask(client, R"({"execute": "fail"})"),
            R"({"error": {"class": "DeviceNotFound", "desc": "no drive is called 'disc0'", )"
            R"("where": "arguments.device", "expected": "a drive", "candidates": ["disk0"], )"
            R"("hint": "query-block lists drives"}})");
}

TEST_F(QmpSession, tellsWhatIsWrongWithAMessageAndGoesOn) {
  FakeClient client = connectReady();
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"[1]", "is an object"},
      {R"({"execute": 1})", R"("where": "execute")"},
      {R"({"arguments": {}})", "no command"},
      {R"({"execute": "echo", "arguments": []})", R"("where": "arguments")"},
      {R"({"execute": "echo", "argments": {}})", R"("candidates": ["arguments"])"},
      {R"({"execute": "echo", "timeout": -1})", R"("where": "timeout")"},
      {R"({"execute": "echo", "timeout": "1"})", R"("where": "timeout")"},
      {R"({"execute": "echo", "exec-oob": "echo"})", "one command"},
      {R"({"execute": "echo", "a": 1, "a": 2})", "error"},
      {"{\"execute\": }\n", "error"},
  };
  for (const auto& [message, part] : bad) {
    const std::string reply = ask(client, message);
    EXPECT_NE(reply.find(R"({"error": {"class": "GenericError")"), std::string::npos) << reply;
    EXPECT_NE(reply.find(part), std::string::npos) << message << " gave " << reply;
    EXPECT_EQ(ask(client, R"({"execute": "echo", "arguments": {}})"), R"({"return": {}})") << message;
  }
}

TEST_F(QmpSession, forgetsAnUnfinishedMessageAtTheResetByte) {
  FakeClient client = connectReady();
  client.send("{\"execute\": \"echo\", \"arguments\": {\"a\": \"\xff");
  EXPECT_NE(nextLine(client).find("\"error\""), std::string::npos);
  EXPECT_EQ(ask(client, R"({"execute": "echo", "arguments": {}})"), R"({"return": {}})");
}

TEST_F(QmpSession, answersOneErrorForAMessageThatIsTooDeep) {
  FakeClient client = connectReady();
  const std::string deep =
      R"({"execute": "echo", "arguments": {"a": )" + std::string(2000, '[') + std::string(2000, ']') + "}}";
  EXPECT_NE(ask(client, deep).find("1024"), std::string::npos);
  EXPECT_EQ(ask(client, R"({"execute": "echo", "arguments": {}, "id": 7})"), R"({"return": {}, "id": 7})");
}

TEST_F(QmpSession, runsCommandsOfTheBandOneAfterTheOther) {
  FakeClient client = connectReady();
  client.send(R"({"execute": "wait", "id": 1} {"execute": "echo", "arguments": {}, "id": 2})");
  until([&] { return ground_.waiting == 1; });
  pause(5ms);
  EXPECT_FALSE(client.hasLine());
  ground_.gate.set();
  EXPECT_EQ(nextLine(client), R"({"return": "waited", "id": 1})");
  EXPECT_EQ(nextLine(client), R"({"return": {}, "id": 2})");
}

TEST_F(QmpSession, letsOutOfBandCommandsOvertake) {
  FakeClient client = connectReady(true);
  client.send(
      R"({"execute": "wait", "id": 1}{"execute": "echo", "id": 2}{"exec-oob": "oob-echo", "arguments": {}, "id": 3})");
  EXPECT_EQ(nextLine(client), R"({"return": {}, "id": 3})");
  EXPECT_NE(ask(client, R"({"exec-oob": "echo", "id": 4})").find("out of band"), std::string::npos);
  ground_.gate.set();
  EXPECT_EQ(nextLine(client), R"({"return": "waited", "id": 1})");
}

TEST_F(QmpSession, refusesOutOfBandCommandsThatWereNotNegotiated) {
  FakeClient client = connectReady(false);
  EXPECT_NE(ask(client, R"({"exec-oob": "oob-echo"})").find("negotiated"), std::string::npos);
}

TEST_F(QmpSession, servesAnotherClientWhileOneWaits) {
  FakeClient slow = connectReady();
  FakeClient quick = connectReady(false, {"qmp1"});
  slow.send(R"({"execute": "wait"})");
  until([&] { return ground_.waiting == 1; });
  const TimePoint before = Clock::now();
  EXPECT_EQ(ask(quick, R"({"execute": "echo", "arguments": {}})"), R"({"return": {}})");
  EXPECT_LT(Clock::now() - before, 5ms + 500us);
  ground_.gate.set();
  nextLine(slow);
}

TEST_F(QmpSession, answersAtTheDeadlineThatAnOperationWasGivenUp) {
  FakeClient client = connectReady();
  const std::string reply = ask(client, R"({"execute": "wait", "timeout": 0.02, "id": 1})");
  EXPECT_NE(reply.find("given up after 0.02 s"), std::string::npos) << reply;
  EXPECT_NE(reply.find("the gate"), std::string::npos) << reply;
  EXPECT_EQ(ground_.finished, 1);
  EXPECT_TRUE(dispatcher_.running().list(0s).empty());
  EXPECT_EQ(ask(client, R"({"execute": "echo", "arguments": {}})"), R"({"return": {}})");
}

TEST_F(QmpSession, tellsHowAnOperationThatGoesOnBehindItsDeadlineEnds) {
  FakeClient client = connectReady();
  const std::string reply = ask(client, R"({"execute": "stubborn", "timeout": 0.01, "id": 1})");
  EXPECT_NE(reply.find("goes on as operation-1"), std::string::npos) << reply;
  EXPECT_NE(reply.find("a dead disk"), std::string::npos) << reply;
  EXPECT_NE(reply.find(R"("operation": "operation-1")"), std::string::npos) << reply;
  const auto running = dispatcher_.running().list(0s);
  ASSERT_EQ(running.size(), 1U);
  EXPECT_EQ(running[0].command, "stubborn");
  EXPECT_EQ(running[0].operation, "operation-1");
  EXPECT_EQ(running[0].waitingFor, "a dead disk");
  EXPECT_EQ(ask(client, R"({"execute": "echo", "arguments": {}})"), R"({"return": {}})");
  ground_.gate.set();
  const std::string event = nextLine(client);
  EXPECT_NE(event.find(R"("event": "OPERATION_COMPLETED")"), std::string::npos) << event;
  EXPECT_NE(event.find(R"("result": {"late": true})"), std::string::npos) << event;
  EXPECT_TRUE(dispatcher_.running().list(0s).empty());
}

TEST_F(QmpSession, finishesTheCommandOfAClientThatVanished) {
  FakeClient client = connectReady();
  client.send(R"({"execute": "stubborn"}{"execute": "change", "arguments": {"text": "never"}})");
  until([&] { return ground_.waiting == 1; });
  client.close();
  until([&] { return clients_.all().empty(); });
  ground_.gate.set();
  until([&] { return ground_.finished == 1; });
  EXPECT_EQ(ground_.written, "") << "what had not begun is not begun";
}

TEST_F(QmpSession, answersAClientThatSendsNoMoreButReads) {
  FakeClient client = connectReady();
  client.send(R"({"execute": "wait", "id": 1}{"execute": "big"}{"execute": "echo", "arguments": {}, "id": 2})");
  client.shutdownWrite();
  until([&] { return ground_.waiting == 1; });
  ground_.gate.set();
  EXPECT_EQ(nextLine(client), R"({"return": "waited", "id": 1})");
  EXPECT_EQ(nextLine(client).size(), 200'014U);
  EXPECT_EQ(nextLine(client), R"({"return": {}, "id": 2})");
  until([&] { return client.ended(); });
}

TEST_F(QmpSession, vanishingInMidMessageHurtsNobody) {
  FakeClient client = connectReady();
  client.send(R"({"execute": "change", "arguments": {"text": )");
  client.close();
  until([&] { return clients_.all().empty(); });
  EXPECT_EQ(ground_.written, "");
}

TEST_F(QmpSession, stopsReadingFromAClientThatDoesNotReadItsReplies) {
  FakeClient client = connectReady();
  FakeClient other = connectReady(false, {"qmp1"});
  std::string text;
  for (int number = 0; number < 2000; ++number) text += R"({"execute": "big"})";
  client.send(text);
  pause(20ms);
  EXPECT_LT(clients_.all().front()->info().commands, 100U) << "each reply has 200,000 bytes";
  EXPECT_EQ(ask(other, R"({"execute": "echo", "arguments": {}})"), R"({"return": {}})");
  for (int number = 0; number < 2000; ++number) ASSERT_EQ(nextLine(client).size(), 200'014U) << number;
}

TEST_F(QmpSession, writesIndentedWhereAskedTo) {
  FakeClient client = connect({.id = "qmp0", .pretty = true});
  EXPECT_TRUE(nextLine(client).starts_with("{\n    \"QMP\": {\n        \"version\": {"));
  EXPECT_EQ(ask(client, R"({"execute": "qmp_capabilities"})"), "{\n    \"return\": {}\n}");
}

TEST_F(QmpSession, letsAReadOnlyClientChangeNothing) {
  FakeClient client = connectReady(false, {.id = "watch0", .role = chardev::Role::kReadOnly});
  const std::string reply = ask(client, R"({"execute": "change", "arguments": {"text": "x"}})");
  EXPECT_NE(reply.find("may only read"), std::string::npos) << reply;
  EXPECT_EQ(ground_.written, "");
  EXPECT_EQ(ask(client, R"({"execute": "echo", "arguments": {}})"), R"({"return": {}})");
}

TEST_F(QmpSession, givesADescriptorToTheCommandItCameWith) {
  FakeClient client = connectReady();
  std::array<int, 2> first;
  std::array<int, 2> second;
  ASSERT_EQ(pipe(first.data()), 0);
  ASSERT_EQ(pipe(second.data()), 0);
  ASSERT_EQ(write(first[1], "one", 3), 3);
  ASSERT_EQ(write(second[1], "two", 3), 3);
  client.sendWithFds(R"({"execute": "read-fd", "id": 1})", {first[0]});
  EXPECT_EQ(nextLine(client), R"({"return": "one", "id": 1})");
  // Two at once: oldest first. What the first command leaves over is not there for a later message.
  ASSERT_EQ(write(first[1], "one", 3), 3);
  client.sendWithFds(R"({"execute": "echo", "arguments": {}}{"execute": "read-fd"})", {first[0], second[0]});
  EXPECT_EQ(nextLine(client), R"({"return": {}})");
  EXPECT_EQ(nextLine(client), R"({"return": "one"})");
  EXPECT_NE(ask(client, R"({"execute": "read-fd"})").find("no descriptor came"), std::string::npos);
  // In two pieces.
  client.sendWithFds(R"({"execute": "rea)", {second[0]});
  pause(1ms);
  EXPECT_EQ(ask(client, R"(d-fd"})"), R"({"return": "two"})");
  for (const int fd : {first[0], first[1], second[0], second[1]}) ::close(fd);
}

}  // namespace
}  // namespace rhea::monitor
