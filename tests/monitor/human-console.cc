#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>

#include "emu/io/offload.h"
#include "monitor/human/console.h"
#include "monitor/human/table.h"
#include "tests/monitor/human-sample.h"

namespace rhea::monitor {
namespace {

TEST(HumanTable, ColumnsAreAlignedAndEmptyOnesLeftOut) {
  Table table({Column("name"), Column("size", Align::kRight), Column("note")});
  table.addRow({"disk0", "10 GiB", ""});
  table.addRow({"cd", "4 KiB", ""});
  EXPECT_EQ(table.render(Dress()),
            "name     size\n"
            "disk0  10 GiB\n"
            "cd      4 KiB\n");
}

TEST(HumanTable, NarrowTerminalShortensTheMiddleOfFileNames) {
  Table table({Column("name"), Column("file", Align::kLeft, true)});
  table.addRow({"disk0", "/very/long/path/to/an/image.raw"});
  const std::string text = table.render(Dress(30, false));
  EXPECT_NE(text.find("…"), std::string::npos);
  EXPECT_NE(text.find("image.raw"), std::string::npos);
  EXPECT_EQ(displayWidth("disk0  /very/…"), 14U);
}

TEST(HumanTable, WrapsSentencesBetweenWords) {
  EXPECT_EQ(wrapped("one two three", 0, 2, 0), "one two three");
  EXPECT_EQ(wrapped("one two three", 9, 2, 0), "one two\n  three");
  EXPECT_EQ(wrapped("one two three", 9, 2, 4), "one\n  two\n  three") << "four cells are used before it";
  EXPECT_EQ(wrapped("incomprehensibilities", 9, 2, 0), "incomprehensibilities");
  EXPECT_EQ(wrapped("", 9, 2, 0), "");
}

TEST(HumanTable, PutsATermThatIsTooLongAboveItsMeaning) {
  const std::vector<std::pair<std::string, std::string>> terms = {{"quit", "End it."}, {"a [-b] long form", "Do it."}};
  EXPECT_EQ(renderTerms(terms, Dress()),
            "quit              End it.\n"
            "a [-b] long form  Do it.\n");
  EXPECT_EQ(renderTerms(terms, Dress(20, false)),
            "quit    End it.\n"
            "a [-b] long form\n"
            "        Do it.\n");
}

TEST(HumanTable, ColoursOnlyWhereTheyAreWanted) {
  EXPECT_EQ(Dress(80, false).paint(Tone::kBad, "x"), "x");
  EXPECT_EQ(Dress(80, true).paint(Tone::kBad, "x"), "\x1b[31mx\x1b[0m");
}

// A console on a loop that runs while something is left to do.
class HumanConsole : public ::testing::Test {
 protected:
  HumanConsole() : loop_(*Loop::create("test", workers_)) {}
  ~HumanConsole() override {
    if (console_) console_->close();
    settle();
  }

  void start(unsigned columns, bool editing, std::string historyFile = {}) {
    screen_ = std::make_unique<test::MemoryScreen>(columns);
    ConsoleOptions options;
    options.editing = editing;
    options.historyFile = std::move(historyFile);
    options.onEnd = [this] { ended_ = true; };
    console_ = Console::create(*loop_, shell_, *screen_, std::move(options));
    loop_->post([this] { console_->start(); });
    settle();
  }
  void type(std::string text) {
    loop_->post([this, text] { console_->feed(text); });
    settle();
  }
  void settle() {
    // Work that a turn makes takes another turn; nothing here waits for anything outside of the loop.
    for (int turn = 0; turn < 8; ++turn) {
      bool passed = false;
      loop_->post([&passed] { passed = true; });
      loop_->waitUntil([&passed] { return passed; });
    }
  }

  WorkerPool workers_;
  std::unique_ptr<Loop> loop_;
  test::FakeExecutor executor_;
  FormTable forms_{test::kForms};
  Shell shell_{forms_, executor_};
  std::unique_ptr<test::MemoryScreen> screen_;
  std::shared_ptr<Console> console_;
  bool ended_ = false;
};

TEST_F(HumanConsole, PromptsRunsAndPromptsAgain) {
  executor_.replies.emplace("query-status", json::Text(R"({"running": true})"));
  start(0, false);
  EXPECT_EQ(screen_->take(), "(rhea) ");
  type("info status -j\r\n");
  EXPECT_EQ(screen_->take(), "{\n    \"running\": true\n}\n(rhea) ");
}

TEST_F(HumanConsole, LineMayArriveInPiecesWithAnyLineEnd) {
  start(0, false);
  screen_->take();
  type("io d re");
  type("ad\rio d x\n\n");
  EXPECT_EQ(executor_.asked, (std::vector<std::string>{R"(io {"device": "d", "command": "read"} io d read)",
                                                       R"(io {"device": "d", "command": "x"} io d x)"}));
  EXPECT_EQ(screen_->take(), "done\n(rhea) done\n(rhea) (rhea) ");
}

TEST_F(HumanConsole, NamesInAnAnswerDoNotSpeakToTheTerminal) {
  executor_.replies.emplace("block_resize", Error("no drive is called 'a\x1b]0;b\x07'"));
  start(80, false);
  type("block_resize a 1\n");
  const std::string shown = screen_->take();
  EXPECT_NE(shown.find("a\\x1b]0;b\\x07"), std::string::npos) << shown;
  EXPECT_EQ(shown.find("\x1b]"), std::string::npos) << "colours are ours";
}

TEST_F(HumanConsole, ErrorSaysWhatWasMeant) {
  executor_.replies.emplace("block_resize", Error("no drive or node is called 'disc0'").candidates({"disk0"}));
  start(0, false);
  screen_->take();
  type("block_resize disc0 1G\n");
  EXPECT_EQ(screen_->take(),
            "error: no drive or node is called 'disc0'\n"
            "  there is: disk0\n"
            "  did you mean: block_resize disk0 1G\n"
            "(rhea) ");
}

TEST_F(HumanConsole, EndOfInputIsToldOnce) {
  start(0, false);
  type("\x04\x04");
  EXPECT_TRUE(ended_);
}

TEST_F(HumanConsole, HistoryIsListed) {
  start(0, false);
  type("cont\n");
  screen_->take();
  type("info history\n");
  EXPECT_EQ(screen_->take(), "    1  cont\n    2  info history\n(rhea) ");
}

TEST_F(HumanConsole, TabCompletesAWordOfAForm) {
  start(80, true);
  type("block_res\t");
  executor_.replies.emplace("query-block", json::Text(R"([{"device": "disk0"}, {"device": "cd0"}])"));
  type("di\t");
  type("1G\r");
  ASSERT_FALSE(executor_.asked.empty());
  EXPECT_EQ(executor_.asked.back(), R"(block_resize {"device": "disk0", "size": 1073741824})");
}

TEST_F(HumanConsole, TabCompletesNamesBehindAnOptionsKey) {
  start(80, true);
  executor_.replies.emplace("query-chardev", json::Text(R"([{"label": "serial0"}])"));
  type("io d if=none,chardev=se\t");
  type("\r");
  ASSERT_FALSE(executor_.asked.empty());
  EXPECT_EQ(executor_.asked.back(),
            R"(io {"device": "d", "command": "if=none,chardev=serial0"} io d if=none,chardev=serial0)");
}

TEST_F(HumanConsole, CorrectsAWordWithinAWordAndNeverTheCommand) {
  executor_.replies.emplace("block_resize", Error("no 'disc0'").candidates({"disk0"}));
  start(0, false);
  screen_->take();
  type("block_resize if=none,drive=disc0,x=y 1G\n");
  EXPECT_EQ(screen_->take(),
            "error: no 'disc0'\n"
            "  there is: disk0\n"
            "  did you mean: block_resize if=none,drive=disk0,x=y 1G\n"
            "(rhea) ");
  executor_.replies.clear();
  executor_.replies.emplace("block_resize", Error("no option 'x'").candidates({"block-resize"}));
  type("block_resize x 1G\n");
  EXPECT_EQ(screen_->take(),
            "error: no option 'x'\n"
            "  there is: block-resize\n"
            "(rhea) ");
}

TEST_F(HumanConsole, TypedKeysAreShown) {
  start(80, true);
  screen_->take();
  type("info st");
  EXPECT_EQ(screen_->take(), "info st");
}

TEST_F(HumanConsole, TabListsSeveralCandidates) {
  start(80, true);
  screen_->take();
  type("block_set_cache d write\t");
  EXPECT_NE(screen_->shown.find("writeback     writethrough"), std::string::npos) << screen_->shown;
}

TEST_F(HumanConsole, EditingKeysWork) {
  start(80, true);
  type("xio d flusx\x7fh\x01\x04\r");  // delete at the end, go to the start, delete there
  ASSERT_FALSE(executor_.asked.empty());
  EXPECT_EQ(executor_.asked.back(), R"(io {"device": "d", "command": "flush"} io d flush)");
}

TEST_F(HumanConsole, InterruptEmptiesTheLine) {
  start(80, true);
  type("rubbish\x03io d y\r");
  EXPECT_EQ(executor_.asked.back(), R"(io {"device": "d", "command": "y"} io d y)");
}

TEST_F(HumanConsole, HistoryIsKeptBetweenSessionsForTheOwnerAlone) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / fmt::format("rhea-history-{}", ::getpid());
  const std::filesystem::path file = folder / "state" / "history";
  start(80, true, file.string());
  type("io d first\r");
  console_->close();
  settle();
  ASSERT_TRUE(std::filesystem::exists(file));
  EXPECT_EQ(std::filesystem::status(file).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  start(80, true, file.string());
  type("\x10\r");  // Ctrl-P: the line before
  EXPECT_EQ(executor_.asked.back(), R"(io {"device": "d", "command": "first"} io d first)");
  std::filesystem::remove_all(folder);
}

TEST_F(HumanConsole, TextThatArrivesByItselfLeavesTheLineWhole) {
  start(80, true);
  type("io d fl");
  screen_->take();
  loop_->post([this] { console_->showAbove("event\n"); });
  settle();
  EXPECT_NE(screen_->take().find("event\n"), std::string::npos);
  type("ush\r");
  EXPECT_EQ(executor_.asked.back(), R"(io {"device": "d", "command": "flush"} io d flush)");
}

}  // namespace
}  // namespace rhea::monitor
