#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "emu/chardev/single-stream.h"
#include "emu/chardev/terminal.h"

namespace rhea::chardev {

namespace {

// A descriptor of our own on what `fd` refers to. Terminals and pipes are opened anew, so that O_NONBLOCK does not
// reach the other processes (the shell, a pager) that share the old description.
Fd ownDescription(int fd, int mode) {
  struct stat status = {};
  if (fstat(fd, &status) == 0 && (S_ISCHR(status.st_mode) || S_ISFIFO(status.st_mode))) {
    Fd fresh(open(fmt::format("/proc/self/fd/{}", fd).c_str(), mode | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (fresh.valid()) return fresh;
  }
  return Fd(fcntl(fd, F_DUPFD_CLOEXEC, 3));
}

// /dev/null as standard input says that nobody will type, and is no end of the conversation: scripts and services start
// a guest so and read what it writes.
Fd input() {
  struct stat status = {};
  if (fstat(STDIN_FILENO, &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3)) return {};
  return ownDescription(STDIN_FILENO, O_RDONLY);
}

class Stdio final : public SingleStream {
 public:
  Stdio(Outlet& outlet, const StdioOptions& options) : signal_(options.signal) {
    auto made = std::make_shared<FdStream>(outlet, FdStream::Ends(input(), ownDescription(STDOUT_FILENO, O_WRONLY)),
                                           "stdio", [this] { setRaw(false); });
    if (isatty(STDIN_FILENO) != 0 && tcgetattr(STDIN_FILENO, &before_) == 0) {
      made->setTerminal(STDIN_FILENO, [this](bool raw) { setRaw(raw); });
    }
    open(std::move(made));
  }
  ~Stdio() override {
    if (stream() != nullptr) stream()->close();
    setRaw(false);
  }
  std::string filename() const override { return "stdio"; }

 private:
  void setRaw(bool raw) {
    if (raw == raw_) return;
    raw_ = raw;
    termios wanted = before_;
    if (raw) {
      wanted.c_iflag &= ~static_cast<tcflag_t>(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
      wanted.c_oflag |= OPOST;
      wanted.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL | ICANON | IEXTEN);
      if (!signal_) wanted.c_lflag &= ~static_cast<tcflag_t>(ISIG);
      wanted.c_cflag = (wanted.c_cflag & ~static_cast<tcflag_t>(CSIZE | PARENB)) | CS8;
      wanted.c_cc[VMIN] = 1;
      wanted.c_cc[VTIME] = 0;
    }
    tcsetattr(STDIN_FILENO, TCSANOW, &wanted);
  }

  termios before_ = {};
  bool signal_;
  bool raw_ = false;
};

}  // namespace

Result<std::unique_ptr<Backend>> openStdio(Outlet& outlet, const StdioOptions& options) {
  if (fcntl(STDIN_FILENO, F_GETFD) < 0 || fcntl(STDOUT_FILENO, F_GETFD) < 0) {
    return Error("standard input or output is closed").hint("give the program both, /dev/null will do");
  }
  return std::unique_ptr<Backend>(std::make_unique<Stdio>(outlet, options));
}

}  // namespace rhea::chardev
