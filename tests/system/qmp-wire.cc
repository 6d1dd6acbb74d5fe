// What a client may send and how, and the socket that it finds or does not find.

#include <gtest/gtest.h>

#include "tests/lib/command.h"
#include "tests/lib/emulator.h"

namespace rhea::test {

namespace {

bool isRunning(QmpClient& client) {
  const json::Value status = client.returned("query-status");
  return status.find("running")->asBool();
}

}  // namespace

TEST(QmpWire, EchoTheIdOfAnyType) {
  const Emulator emulator;
  const std::unique_ptr<QmpClient> client = emulator.connect();
  for (const std::string id : {R"("a")", "7", "null", "[1, {}]", R"({"a": "b"})"}) {
    const json::Value reply = client->ask(R"({"execute": "query-name", "id": )" + id + "}");
    EXPECT_EQ(json::parse(id)->text(), reply.find("id")->text());
  }
}

TEST(QmpWire, MaySendInAnySplitAndManyAtOnce) {
  const Emulator emulator;
  const std::unique_ptr<QmpClient> client = emulator.connect();
  for (const char letter : std::string(R"({"execute": "query-status", "id": 1})")) client->send(std::string(1, letter));
  const std::optional<json::Value> slow = client->receive(10);
  ASSERT_TRUE(slow);
  EXPECT_EQ(1, slow->find("id")->asInt64());
  std::string batch;
  for (int id = 0; id < 500; ++id) batch += R"({"execute": "query-name", "id": )" + std::to_string(id) + "}";
  client->send(batch);
  for (int id = 0; id < 500; ++id) {
    const std::optional<json::Value> reply = client->receive(10);
    ASSERT_TRUE(reply);
    ASSERT_EQ(id, reply->find("id")->asInt64());
  }
}

// The reply is written where a file engine completes a request, and nothing else happens that would push it out.
TEST(QmpWire, HearAtOnceOfWhatStorageHasDone) {
  const Emulator emulator;
  emulator.folder().makeFile("disk.raw", 1 << 20);
  const std::unique_ptr<QmpClient> client = emulator.connect();
  for (const std::string line :
       {"drive_add 0 if=none,id=disk0,format=raw,file=disk.raw", "io disk0 flush", "io disk0 \\\"write 0 64k\\\""}) {
    client->send("{\"execute\": \"human-monitor-command\", \"arguments\": {\"command-line\": \"" + line + "\"}}");
    const std::optional<json::Value> reply = client->receive(10);
    ASSERT_TRUE(reply) << line;
    EXPECT_FALSE(reply->find("return")->asString().starts_with("error")) << reply->text();
  }
}

TEST(QmpWire, FindASocketThatIsTheirsAlone) {
  const Emulator emulator;
  EXPECT_EQ(std::filesystem::perms::owner_read | std::filesystem::perms::owner_write,
            std::filesystem::status(emulator.socketPath()).permissions());
}

TEST(QmpWire, AreToldWhyASocketCannotBe) {
  const Emulator emulator;
  const std::string start = Emulator::program() + " -machine none -nodefaults -qmp ";
  const CommandResult used = run(start + "unix:" + emulator.socketPath() + ",server=on,wait=off");
  EXPECT_GT(used.status, 0);
  EXPECT_NE(std::string::npos, used.output.find(emulator.socketPath())) << used.output;
  const CommandResult tooLong = run(start + "unix:/tmp/" + std::string(120, 'x') + ",server=on,wait=off");
  EXPECT_GT(tooLong.status, 0);
  EXPECT_NE(std::string::npos, tooLong.output.find("107")) << tooLong.output;
  EXPECT_NE(nullptr, emulator.connect());
}

// A line is checked against the client's role as if it had been a command of its own.
TEST(QmpWire, OfAReadOnlySocketChangeNothing) {
  const TempDir folder;
  const std::string path = folder.file("watch.sock");
  const Emulator emulator({"-chardev", "socket,id=watch,path=" + path + ",server=on,wait=off,role=read-only", "-mon",
                           "chardev=watch,mode=control"});
  QmpClient client(path);
  EXPECT_TRUE(isRunning(client));
  EXPECT_TRUE(client.execute("stop").find("error"));
  EXPECT_TRUE(client.execute("quit").find("error"));
  client.execute("human-monitor-command", R"({"command-line": "stop"})");
  client.execute("human-monitor-command", R"({"command-line": "quit"})");
  client.execute("human-monitor-command", R"({"command-line": "drive_add 0 if=none,id=disk0,driver=null-co"})");
  EXPECT_TRUE(isRunning(client));
  EXPECT_EQ("[]", client.returned("query-block").text());
}

}  // namespace rhea::test
