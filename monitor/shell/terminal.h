// Terminal: the person's own terminal as a Screen, in the mode that line editing wants, given back at the end.
#pragma once

#include <termios.h>

#include "monitor/human/screen.h"

namespace rhea::monitor {

class Terminal final : public Screen {
 public:
  // `raw`: single keys, no echo, Ctrl-C as a byte; where standard input is a terminal.
  explicit Terminal(bool raw);
  ~Terminal() override;
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void write(std::string_view text) override;
  unsigned columns() const override { return columns_; }
  void measure();

 private:
  bool raw_ = false;
  unsigned columns_ = 0;
  termios before_{};
};

}  // namespace rhea::monitor
