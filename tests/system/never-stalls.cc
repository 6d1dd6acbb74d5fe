// Nothing that waits may make another client wait: a disk whose flushes and writes hang, a client that asks for
// something that needs them, and a second client that asks how the machine is.
//
// The bounds here are generous, since tests run on loaded hosts; tests/bench measures.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "tests/lib/emulator.h"

namespace rhea::test {

namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

constexpr int kQuestions = 40;
constexpr double kUsual = 100;   // ms, of the median
constexpr double kWorst = 2000;  // ms, of any: a stalled monitor would take as long as the disk hangs, ten minutes

// A disk d0 on the node `frozen`, whose writes and flushes hang, and a node `idle` that nobody uses.
std::vector<std::string> options() {
  return {"-quit-timeout",
          "1",
          "-blockdev",
          R"({"driver": "null-co", "node-name": "base", "size": 67108864})",
          "-blockdev",
          R"({"driver": "null-co", "node-name": "idle", "size": 1048576})",
          "-blockdev",
          R"({"driver": "blkdebug", "node-name": "frozen", "image": "base", "inject-error": [)"
          R"({"event": "none", "iotype": "write", "skip": 1, "delay-ms": 600000, "errno": 0},)"
          R"({"event": "none", "iotype": "flush", "delay-ms": 600000, "errno": 0}]})"};
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
