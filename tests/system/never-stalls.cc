// Nothing that waits may make another client wait: a disk whose flushes and writes hang, a client that asks for
// something that needs them, and a second client that asks how the machine is.
//
// The bounds here are generous, since tests run on loaded hosts; tests/bench measures.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "tests/lib/emulator.h"
#include "tests/lib/frozen-fs.h"

namespace rhea::test {

namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

constexpr int kQuestions = 40;
constexpr double kUsual = 100;   // ms, of the median
constexpr double kWorst = 2000;  // ms, of any: a stalled monitor would take as long as the disk hangs, ten minutes

// A disk d0 on the node `frozen`, whose writes and flushes hang, and a node `idle` that nobody uses.
std::vector<std::string> options(int milliseconds = 600000) {
  const std::string hang = R"("delay-ms": )" + std::to_string(milliseconds) + R"(, "errno": 0})";
  return {"-quit-timeout",
          "1",
          "-blockdev",
          R"({"driver": "null-co", "node-name": "base", "size": 67108864})",
          "-blockdev",
          R"({"driver": "null-co", "node-name": "idle", "size": 1048576})",
          "-blockdev",
          R"({"driver": "blkdebug", "node-name": "frozen", "image": "base", "inject-error": [)"
          R"({"event": "none", "iotype": "write", "skip": 1, )" +
              hang + R"(, {"event": "none", "iotype": "flush", )" + hang + "]}"};
}

struct Row {
  const char* name;
  const char* command;
  const char* arguments;
};

constexpr Row kRows[] = {
    {"Stop", "stop", ""},
    {"Flush", "blockdev-flush", R"({"node-name": "frozen"})"},
    {"HumanFlush", "human-monitor-command", R"({"command-line": "qemu-io frozen flush"})"},
    {"HumanWrite", "human-monitor-command", R"({"command-line": "qemu-io frozen \"write 0 4k\""})"},
    {"Add", "blockdev-add", R"({"driver": "raw", "node-name": "top", "file": "frozen"})"},
    {"Delete", "blockdev-del", R"({"node-name": "idle"})"},
    {"Reopen", "blockdev-reopen",
     R"({"options": [{"driver": "blkdebug", "node-name": "frozen", "image": "base", "cache": {"no-flush": true}}]})"},
    {"SetCache", "blockdev-set-cache", R"({"node-name": "frozen", "mode": "unsafe"})"},
    {"Resize", "block_resize", R"({"node-name": "frozen", "size": 1048576})"},
    {"Quit", "quit", ""},
};

class NeverStalls : public ::testing::TestWithParam<Row> {};

}  // namespace

TEST_P(NeverStalls, AnotherClientIsAnsweredWhileTheDiskHangs) {
  Emulator emulator(options());
  const auto asking = emulator.connect();
  const auto watching = emulator.connect();
  // One write gets through, so that there is something to flush; the flush that follows hangs.
  asking->returned("human-monitor-command", R"({"command-line": "qemu-io frozen \"write 0 4k\""})");
  const std::string arguments = GetParam().arguments;
  asking->send(std::string(R"({"execute": ")") + GetParam().command + "\"" +
               (arguments.empty() ? "" : ", \"arguments\": " + arguments) + "}");
  std::vector<double> waits;
  for (int question = 0; question < kQuestions; ++question) {
    const auto begin = Clock::now();
    try {
      watching->returned("query-status");
    } catch (const std::exception&) {
      ASSERT_STREQ("quit", GetParam().command);
      break;  // the program has ended, as it was told to
    }
    waits.push_back(Milliseconds(Clock::now() - begin).count());
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  ASSERT_FALSE(waits.empty());
  std::sort(waits.begin(), waits.end());
  RecordProperty("median_ms", std::to_string(waits[waits.size() / 2]));
  RecordProperty("worst_ms", std::to_string(waits.back()));
  EXPECT_LT(waits[waits.size() / 2], kUsual);
  EXPECT_LT(waits.back(), kWorst);
}

INSTANTIATE_TEST_SUITE_P(Rows, NeverStalls, ::testing::ValuesIn(kRows), [](const auto& row) { return row.param.name; });

namespace {

json::Value flushWithin(QmpClient& client, const std::string& seconds) {
  return client.ask(R"({"execute": "blockdev-flush", "arguments": {"node-name": "frozen"}, "timeout": )" + seconds +
                    "}");
}

// The items of query-stuck about this command.
std::vector<json::Value> stuckAs(QmpClient& client, const std::string& command) {
  std::vector<json::Value> found;
  const json::Value list = client.returned("query-stuck", R"({"older-than-ms": 0})");
  for (const json::View item : list.items()) {
    if (item.find("what")->asString() == command) found.emplace_back(item);
  }
  return found;
}

std::string member(json::View object, const std::string& name) {
  const auto found = object.find(name);
  return found ? std::string(found->asString()) : std::string();
}

}  // namespace

TEST(Deadline, FlushThatTheHostStillWorksOnGoesOnAndItsEndIsTold) {
  Emulator emulator(options(600));
  const auto client = emulator.connect();
  client->returned("human-monitor-command", R"({"command-line": "qemu-io frozen \"write 0 4k\""})");
  const json::Value reply = flushWithin(*client, "0.1");
  const std::optional<json::View> error = reply.find("error");
  ASSERT_TRUE(error) << reply.text();
  EXPECT_NE(member(*error, "desc").find("waiting for flush of 'frozen'"), std::string::npos) << reply.text();
  const std::string operation = member(*error, "operation");
  ASSERT_FALSE(operation.empty()) << reply.text();
  const std::vector<json::Value> stuck = stuckAs(*client, "blockdev-flush");
  ASSERT_EQ(stuck.size(), 1U);
  EXPECT_EQ(member(stuck[0], "kind"), "operation");
  EXPECT_EQ(member(stuck[0], "operation"), operation);
  const std::optional<json::Value> ended = client->event("OPERATION_COMPLETED");
  ASSERT_TRUE(ended);
  const json::View data = *ended->find("data");
  EXPECT_EQ(member(data, "operation"), operation);
  ASSERT_TRUE(data.find("result")) << ended->text();
  EXPECT_TRUE(stuckAs(*client, "blockdev-flush").empty());
  // It was a flush: nothing is left to do.
  EXPECT_TRUE(flushWithin(*client, "10").find("return"));
}

TEST(Deadline, NodeThatCouldNotBeOpenedInTimeIsNotThereLaterEither) {
  FrozenFs host;
  if (!host.ok()) GTEST_SKIP() << host.why();
  const std::string file = host.makeFile("a.raw", 65536);
  Emulator emulator;
  const auto client = emulator.connect();
  host.freeze(FrozenFs::kOpen);
  const json::Value reply = client->ask(
      R"({"execute": "blockdev-add", "timeout": 0.1, "arguments": {"driver": "file", "node-name": "n", "filename": ")" +
      file + "\"}}");
  const std::optional<json::View> error = reply.find("error");
  ASSERT_TRUE(error) << reply.text();
  EXPECT_NE(member(*error, "desc").find("was given up after 0.1 s"), std::string::npos) << reply.text();
  EXPECT_FALSE(error->find("operation")) << reply.text();
  host.thaw();
  const auto end = Clock::now() + std::chrono::seconds(10);
  // The name is free again once the open has ended.
  json::Value again;
  do {
    again = client->execute("blockdev-add", R"({"driver": "null-co", "node-name": "n"})");
  } while (again.find("error") && Clock::now() < end);
  EXPECT_TRUE(again.find("return")) << again.text();
}

TEST(Stuck, ListsAHumanCommandThatHangsAndWhatItRuns) {
  Emulator emulator(options());
  const auto asking = emulator.connect();
  const auto watching = emulator.connect();
  asking->returned("human-monitor-command", R"({"command-line": "qemu-io frozen \"write 0 4k\""})");
  asking->send(R"({"execute": "human-monitor-command", "arguments": {"command-line": "block_flush frozen"}})");
  const auto end = Clock::now() + std::chrono::seconds(10);
  while (stuckAs(*watching, "blockdev-flush").empty() && Clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  const std::vector<json::Value> outer = stuckAs(*watching, "human-monitor-command");
  const std::vector<json::Value> inner = stuckAs(*watching, "blockdev-flush");
  ASSERT_EQ(outer.size(), 1U);
  ASSERT_EQ(inner.size(), 1U);
  EXPECT_EQ(member(outer[0], "waiting-for"), "the human command 'block_flush'");
  EXPECT_EQ(member(inner[0], "waiting-for"), "flush of 'frozen'");
  EXPECT_EQ(member(outer[0], "who"), member(inner[0], "who"));
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // info stuck tells of what is older than a second
  const std::string text(watching->returned("human-monitor-command", R"({"command-line": "info stuck"})").asString());
  EXPECT_NE(text.find("human-monitor-command"), std::string::npos) << text;
  EXPECT_NE(text.find("blockdev-flush"), std::string::npos) << text;
}

TEST(End, HungDiskIsNamedWhenTheTimeIsOver) {
  Emulator emulator(options());
  const auto client = emulator.connect();
  client->returned("human-monitor-command", R"({"command-line": "qemu-io frozen \"write 0 4k\""})");
  client->execute("quit");
  EXPECT_EQ(1, emulator.wait(20));
  EXPECT_NE(emulator.output().find("ended although not everything was flushed"), std::string::npos)
      << emulator.output();
  EXPECT_NE(emulator.output().find("frozen"), std::string::npos) << emulator.output();
  EXPECT_FALSE(std::filesystem::exists(emulator.socketPath()));
}

TEST(End, DiskThatAClientIsFlushingAlreadyIsWaitedForAndNamed) {
  Emulator emulator(options());
  const auto asking = emulator.connect();
  asking->returned("human-monitor-command", R"({"command-line": "qemu-io frozen \"write 0 4k\""})");
  asking->send(R"({"execute": "human-monitor-command", "arguments": {"command-line": "qemu-io frozen flush"}})");
  const auto quitting = emulator.connect();
  quitting->execute("quit");
  EXPECT_EQ(1, emulator.wait(20)) << emulator.output();
  EXPECT_NE(emulator.output().find("frozen"), std::string::npos) << emulator.output();
}

TEST(End, SecondQuitDoesNotWait) {
  std::vector<std::string> patient = options();
  patient[1] = "600";
  Emulator emulator(patient);
  const auto client = emulator.connect();
  client->returned("human-monitor-command", R"({"command-line": "qemu-io frozen \"write 0 4k\""})");
  client->execute("quit");
  EXPECT_EQ(-1, emulator.wait(0.5));
  EXPECT_NE(emulator.output().find("waiting up to 600 s for the disks to be flushed"), std::string::npos)
      << emulator.output();
  emulator.connect()->execute("quit");
  EXPECT_EQ(1, emulator.wait(20)) << emulator.output();
}

}  // namespace rhea::test
