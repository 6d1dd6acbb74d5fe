// Screen: the place a human session writes to, and what it may assume of it.
#pragma once

#include "emu/base/base.h"

namespace rhea::monitor {

class Screen {
 public:
  virtual ~Screen() = default;
  // Never blocks; text may hold several lines, lines end in '\n' (a terminal's driver adds what it needs).
  virtual void write(std::string_view text) = 0;
  // Width in character cells; 0 where it is not a terminal (a pipe, a socket, human-monitor-command).
  virtual unsigned columns() const = 0;
  bool isTerminal() const { return columns() > 0; }
};

// How text is dressed. Colours only on a terminal, and not where NO_COLOR is set (no-color.org).
enum class Tone : std::uint8_t { kPlain, kHeading, kGood, kWarning, kBad, kDim };

class Dress {
 public:
  Dress() = default;  // plain text, unlimited width
  Dress(unsigned columns, bool colour) : columns_(columns), colour_(colour) {}
  // For `screen`, with the process's environment taken into account by the caller.
  static Dress forScreen(const Screen& screen, bool noColor) {
    return Dress(screen.columns(), screen.isTerminal() && !noColor);
  }

  unsigned columns() const { return columns_; }
  bool colour() const { return colour_; }
  std::string paint(Tone tone, std::string_view text) const;

 private:
  unsigned columns_ = 0;
  bool colour_ = false;
};

}  // namespace rhea::monitor
