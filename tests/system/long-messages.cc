// A message of tens of megabytes is one client's business: while it is taken apart the others are answered, and what
// the client sent behind it is answered behind it.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/lib/emulator.h"

namespace rhea::test {

namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

constexpr std::size_t kLong = std::size_t{60} << 20;
// Questions answered between the moment when all of the message has been sent and its answer. Were it taken apart on
// the main loop, there would be one.
constexpr int kBetween = 5;

std::string repeated(const std::string& text, std::size_t bytes) {
  std::string all;
  all.reserve(bytes + text.size());
  while (all.size() < bytes) all += text;
  return all;
}

struct LongMessage {
  const char* name;
  std::string (*text)();
  const char* answer;  // a part of it
};

const LongMessage kMessages[] = {
    {"UnknownCommand",
     [] { return R"({"execute": "no-such", "arguments": {"a": ")" + std::string(kLong, 'x') + "\"}}"; },
     "there is no command 'no-such'"},
    {"LongString",
     [] {
       return R"({"execute": "qom-get", "arguments": {"property": "type", "path": ")" + repeated("\\u00e4", kLong) +
              "\"}}";
     },
     "leads to no object"},
    {"ManyNumbers",
     [] {
       return R"({"execute": "qmp-subscribe-events", "arguments": {"events": [)" + repeated("1,", 1 << 20) + "1]}}";
     },
     "arguments.events[0]"},
    {"ManyMembers",
     [] {
       std::string text = R"({"execute": "query-status", "arguments": {)";
       for (int i = 0; i < 300000; ++i) text += "\"member-" + std::to_string(i) + "\": null, ";
       return text + "\"z\": 1}}";
     },
     "member-0"},
    {"BrokenAtTheEnd",
     [] { return R"({"execute": "query-status", "arguments": {"a": [)" + repeated("[],", kLong / 40) + "oops!]}}"; },
     "JSON syntax error"},
};

class LongMessages : public ::testing::TestWithParam<LongMessage> {};

}  // namespace

TEST_P(LongMessages, KeepNobodyElseAndTheirOrder) {
  Emulator emulator;
  const auto sender = emulator.connect();
  const auto watching = emulator.connect();
  const std::string text = GetParam().text();
  std::atomic<bool> sent = false;
  std::atomic<bool> answered = false;
  std::string answer;
  std::string behind;
  std::thread sending([&] {
    sender->send(text + "\n" + R"({"execute": "query-name", "id": "behind"})" + "\n");
    sent = true;
    answer = sender->receive(60).value_or(json::Value()).text();
    behind = sender->receive(60).value_or(json::Value()).text();
    answered = true;
  });
  std::vector<double> waits;
  int between = 0;
  while (!answered) {
    between += sent ? 1 : 0;
    const auto begin = Clock::now();
    watching->returned("query-status");
    waits.push_back(Milliseconds(Clock::now() - begin).count());
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  sending.join();
  EXPECT_NE(answer.find(GetParam().answer), std::string::npos) << answer.substr(0, 500);
  EXPECT_NE(behind.find("\"behind\""), std::string::npos) << behind.substr(0, 500);
  std::sort(waits.begin(), waits.end());
  std::printf("  %s: %zu questions, %d of them while it was taken apart, median %.2f ms, worst %.2f ms\n",
              GetParam().name, waits.size(), between, waits[waits.size() / 2], waits.back());
  EXPECT_GT(between, kBetween);
}

INSTANTIATE_TEST_SUITE_P(Rows, LongMessages, ::testing::ValuesIn(kMessages),
                         [](const auto& row) { return row.param.name; });

}  // namespace rhea::test
