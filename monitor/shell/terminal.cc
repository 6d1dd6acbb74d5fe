#include "monitor/shell/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

namespace rhea::monitor {

Terminal::Terminal(bool raw) {
  measure();
  if (!raw || ::isatty(STDIN_FILENO) == 0 || ::tcgetattr(STDIN_FILENO, &before_) != 0) return;
  termios wanted = before_;
  wanted.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG | IEXTEN);
  wanted.c_iflag &= ~static_cast<tcflag_t>(ICRNL | INLCR | IXON);
  wanted.c_cc[VMIN] = 1;
  wanted.c_cc[VTIME] = 0;
  raw_ = ::tcsetattr(STDIN_FILENO, TCSADRAIN, &wanted) == 0;
}

Terminal::~Terminal() {
  if (raw_) ::tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
}

void Terminal::measure() {
  winsize size{};
  columns_ = 0;
  if (::isatty(STDOUT_FILENO) == 0) return;
  columns_ = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void Terminal::write(std::string_view text) {
  while (!text.empty()) {
    const ssize_t wrote = ::write(STDOUT_FILENO, text.data(), text.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(wrote));
  }
}

}  // namespace rhea::monitor
