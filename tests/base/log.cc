#include "emu/base/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "emu/base/json.h"
#include "tests/support/sanitized.h"

namespace rhea {
namespace {

using namespace std::chrono_literals;

class LogTest : public testing::Test {
 protected:
  LogTest() {
    EXPECT_EQ(::pipe2(pipe_.data(), O_CLOEXEC), 0);
    settings_.fd = pipe_[1];
  }
  ~LogTest() override {
    ::close(pipe_[0]);
    if (pipe_[1] >= 0) ::close(pipe_[1]);
  }
  // What was written so far.
  std::string read() {
    std::string text(1 << 20, '\0');
    ::fcntl(pipe_[0], F_SETFL, O_NONBLOCK);
    std::size_t length = 0;
    ssize_t got = 0;
    while ((got = ::read(pipe_[0], text.data() + length, text.size() - length)) > 0) {
      length += static_cast<std::size_t>(got);
    }
    text.resize(length);
    return text;
  }

  std::array<int, 2> pipe_{-1, -1};
  Log::Settings settings_;
};

TEST_F(LogTest, namesProgramGuestAndLevel) {
  Log log(settings_);
  log.info("ready on {}", "qmp.sock");
  ASSERT_TRUE(log.flush());
  EXPECT_EQ(read(), "rhea: ready on qmp.sock\n");
  settings_.guest = "vm1";
  log.configure(settings_);
  log.warning("a {}", 1);
  log.error(Error("no drive is called 'x'").candidates({"disk0", "cd0"}).hint("try: info block"));
  log.debug("not wanted");
  ASSERT_TRUE(log.flush());
  EXPECT_EQ(read(),
            "rhea[vm1]: warning: a 1\n"
            "rhea[vm1]: error: no drive is called 'x'\n  there is: disk0, cd0\n  try: info block\n");
}

TEST_F(LogTest, putsATimestampInFrontWhereAsked) {
  settings_.timestamps = true;
  Log log(settings_);
  log.info("x");
  ASSERT_TRUE(log.flush());
  const std::string line = read();
  EXPECT_EQ(line.substr(10, 1), "T");
  EXPECT_EQ(line.substr(26), "Z rhea: x\n");
}

TEST_F(LogTest, writesOneJsonObjectPerLine) {
  settings_.json = true;
  settings_.guest = "vm\"1";
  Log log(settings_);
  log.error(Error("line\nbreak").where("drive").candidates({"a", "b"}));
  ASSERT_TRUE(log.flush());
  const std::string line = read();
  EXPECT_EQ(std::ranges::count(line, '\n'), 1);
  const Result<json::Value> value = json::parse(line);
  ASSERT_TRUE(value.ok()) << value.error().message();
  EXPECT_NE(line.find(R"("level": "error", "program": "rhea", "guest": "vm\"1", "message": "line\nbreak")"),
            std::string::npos)
      << line;
  EXPECT_NE(line.find(R"("where": "drive", "candidates": ["a", "b"])"), std::string::npos) << line;
}

TEST_F(LogTest, countsRepeatsInsteadOfWritingThem) {
  Log log(settings_);
  for (int i = 0; i < 1000; i++) log.warning("again");
  log.info("other");
  ASSERT_TRUE(log.flush());
  const std::string text = read();
  EXPECT_NE(text.find("995 more times: again"), std::string::npos) << text;
  EXPECT_EQ(std::ranges::count(text, '\n'), 7) << text;
}

TEST_F(LogTest, neverWaitsForItsReaderAndTellsWhatWasLost) {
  ::fcntl(pipe_[1], F_SETPIPE_SZ, 4096);
  Log log(settings_);
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 5000; i++) log.warning("message {} {}", i, std::string(100, 'x'));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s * test::kSlowness);
  EXPECT_GT(log.dropped(), 0U);
  EXPECT_FALSE(log.flush(1ms));
  std::string text;
  for (int i = 0; i < 1000 && text.find("were lost") == std::string::npos; i++) {
    text += read();
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_NE(text.find("messages were lost"), std::string::npos);
  while (!log.flush(1ms)) text += read();
}

TEST_F(LogTest, survivesAReaderThatLeft) {
  ::signal(SIGPIPE, SIG_IGN);
  Log log(settings_);
  ::close(std::exchange(pipe_[0], ::dup(STDIN_FILENO)));
  log.info("nobody hears this");
  EXPECT_TRUE(log.flush());
}

TEST_F(LogTest, takesMessagesFromManyThreads) {
  Log log(settings_);
  std::vector<std::thread> threads;
  for (int who = 0; who < 4; who++) {
    threads.emplace_back([&log, who] {
      for (int i = 0; i < 100; i++) log.info("from {} message {}", who, i);
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(log.flush());
  EXPECT_EQ(std::ranges::count(read(), '\n'), 400);
}

TEST(LogLevels, areReadByNameWithCandidates) {
  EXPECT_EQ(*parseLogLevel("debug"), LogLevel::kDebug);
  const Result<LogLevel> unknown = parseLogLevel("warn");
  ASSERT_FALSE(unknown.ok());
  ASSERT_FALSE(unknown.error().candidateNames().empty());
  EXPECT_EQ(unknown.error().candidateNames().front(), "warning");
}

}  // namespace
}  // namespace rhea
