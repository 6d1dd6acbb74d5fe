// LineReader: turns the bytes that a person types into lines, with editing where the other end is a terminal.
//
// Two kinds: ReadlineReader (history, incremental search, completion; one in a process, because readline's state is
// global) and PlainReader for sockets and pipes. Both read only while a line is wanted: bytes that come while a command
// runs wait, so that pasted commands run one after another.
#pragma once

#include "monitor/human/screen.h"

namespace rhea::monitor {

// What completion offers for a line at a cursor position.
struct Completion {
  std::size_t start = 0;                // byte of the line where the replaced word begins
  std::vector<std::string> candidates;  // whole words, sorted
  bool closes = true;                   // a unique candidate is followed by a blank (not: a folder, "key=")
};

class LineReader {
 public:
  struct Callbacks {
    std::function<void(std::string line)> onLine;  // the reader is idle until the next ask()
    std::function<void()> onEnd;                   // end of input, Ctrl-D on an empty line
    std::function<void()> onInterrupt;             // Ctrl-C while no line is being read
    // Starts a look-up; answers through complete(), now or later.
    std::function<void(std::string line, std::size_t cursor)> onComplete;
  };
  virtual ~LineReader() = default;
  virtual void feed(std::string_view bytes) = 0;
  virtual void ask(const std::string& prompt) = 0;
  virtual void complete(const std::string& line, const Completion& completion) = 0;
  // Shows text above the line being edited (an event, a log line) and draws the line again.
  virtual void showAbove(std::string_view text) = 0;
  virtual void setColumns(unsigned columns) = 0;
};

std::unique_ptr<LineReader> makePlainReader(Screen& screen, LineReader::Callbacks callbacks);

// `historyFile`: kept between sessions, empty for none. Error where a readline session exists in this process already.
Result<std::unique_ptr<LineReader>> makeReadlineReader(Screen& screen, LineReader::Callbacks callbacks,
                                                       std::string historyFile);

// $XDG_STATE_HOME/rhea/history or ~/.local/state/rhea/history; empty where there is no home.
std::string defaultHistoryFile();

}  // namespace rhea::monitor
