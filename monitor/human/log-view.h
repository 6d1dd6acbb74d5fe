// LogView: what is logged to the terminal on which somebody types is shown above the line being typed, instead of
// across it.
#pragma once

#include "emu/base/log.h"
#include "emu/io/fd.h"
#include "emu/io/loop.h"

namespace rhea::monitor {

class LogView {
 public:
  // Null where the log does not go to this terminal, or is read by a program (JSON). `show` gets whole lines, on the
  // loop, until destruction; what is left then goes to the terminal as before.
  static std::unique_ptr<LogView> create(Loop& loop, Log& log, int terminal,
                                         std::function<void(std::string_view)> show);
  ~LogView();
  LogView(const LogView&) = delete;
  LogView& operator=(const LogView&) = delete;

 private:
  LogView(Log& log, Fd from, Fd to, std::function<void(std::string_view)> show);
  void readable();
  std::string takeLines();

  Log& log_;
  Fd from_;
  Fd to_;
  std::function<void(std::string_view)> show_;
  std::string unfinished_;
  std::unique_ptr<Loop::Watch> watch_;
};

}  // namespace rhea::monitor
