// Console: one person at the human monitor: prompt, line, command, output, prompt.
//
// It outlives its client: a command that still runs when the client vanished finishes, its output is dropped.
#pragma once

#include "emu/io/loop.h"
#include "monitor/human/completer.h"
#include "monitor/human/line-reader.h"
#include "monitor/human/shell.h"

namespace rhea::monitor {

struct ConsoleOptions {
  std::string prompt = "(rhea) ";
  std::string banner;       // printed once at the start; lines end in '\n'
  std::string historyFile;  // with editing only; empty keeps none
  bool editing = false;     // readline; falls back to plain lines where another console has it
  bool noColor = false;
  std::function<bool(const std::string&)> localLine;  // true: the line was for whoever holds the console
  std::function<void()> onEnd;                        // end of input; called once, from a turn of the loop of its own
};

class Console : public std::enable_shared_from_this<Console> {
 public:
  // `screen` and `shell` outlive the console until close().
  static std::shared_ptr<Console> create(Loop& loop, Shell& shell, Screen& screen, ConsoleOptions options);

  void start();
  void prompt();
  void feed(std::string_view bytes);
  // Text that arrives by itself (an event, a log line).
  void showAbove(std::string_view text);
  void setColumns(unsigned columns);
  std::uint64_t commands() const { return commands_; }  // lines that were entered
  // No more input or output; `screen` is not touched afterwards.
  void close();

  Console(Loop& loop, Shell& shell, Screen& screen, ConsoleOptions options);

 private:
  void lineArrived(std::string line);
  void completionWanted(std::string line, std::size_t cursor);
  void interrupted();
  void ended();
  static Task<void> runLine(std::shared_ptr<Console> self, std::string line);
  static Task<void> runCompletion(std::shared_ptr<Console> self, std::string line, std::size_t cursor);
  Dress dress() const;

  Loop& loop_;
  Shell& shell_;
  Screen* screen_;  // null when closed
  ConsoleOptions options_;
  Completer completer_;
  std::unique_ptr<LineReader> reader_;
  std::vector<std::string> history_;
  std::uint64_t turn_ = 0;  // which line's output is wanted; an interrupt goes to the next one
  std::uint64_t commands_ = 0;
  bool running_ = false;
};

}  // namespace rhea::monitor
