#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <termios.h>
#include <unistd.h>

#include "emu/chardev/single-stream.h"
#include "emu/chardev/terminal.h"

namespace rhea::chardev {

namespace {

// The kernel tells a pty's master that the last reader closed, but not that a new one opened: inotify does.
class Pty final : public SingleStream {
 public:
  Pty(Outlet& outlet, Fd master, Fd opens, std::string name)
      : outlet_(outlet), master_(std::move(master)), opens_(std::move(opens)), name_(std::move(name)) {
    watch_ = outlet_.loop().watch(opens_.get(), Loop::Ready::kRead, [this] {
      alignas(inotify_event) std::array<char, 4096> events;
      while (read(opens_.get(), events.data(), events.size()) > 0) {
      }
      look();
    });
  }
  std::string filename() const override { return "pty:" + name_; }
  std::string ptyName() const override { return name_; }

 private:
  void look() {
    if (stream() != nullptr && stream()->isOpen()) return;
    pollfd state = {master_.get(), POLLIN, 0};
    if (poll(&state, 1, 0) < 0 || (state.revents & POLLHUP) != 0) return;
    Result<Fd> copy = master_.duplicate();
    if (!copy.ok()) return;
    auto made = std::make_shared<FdStream>(outlet_, FdStream::Ends(*std::move(copy)), filename(), [] {});
    made->setTerminal(-1, {});
    open(std::move(made));
  }

  Outlet& outlet_;
  Fd master_;
  Fd opens_;
  std::string name_;
  std::unique_ptr<Loop::Watch> watch_;
};

}  // namespace

Result<std::unique_ptr<Backend>> openPty(Outlet& outlet) {
  Fd master(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
  std::array<char, 64> name = {};
  if (!master.valid() || grantpt(master.get()) != 0 || unlockpt(master.get()) != 0 ||
      ptsname_r(master.get(), name.data(), name.size()) != 0) {
    return Error::fromErrno(errno, "cannot make a pseudo terminal");
  }
  {
    // Opened once: bytes pass as they are, and from the close on the master says "hung up" until somebody comes.
    const Fd slave(open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    termios raw = {};
    if (!slave.valid() || tcgetattr(slave.get(), &raw) != 0) {
      return Error::fromErrno(errno, fmt::format("cannot open the pseudo terminal {}", name.data()));
    }
    cfmakeraw(&raw);
    tcsetattr(slave.get(), TCSANOW, &raw);
  }
  Fd opens(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!opens.valid() || inotify_add_watch(opens.get(), name.data(), IN_OPEN) < 0) {
    return Error::fromErrno(errno, fmt::format("cannot watch the pseudo terminal {}", name.data()))
        .hint("fs.inotify.max_user_instances and max_user_watches bound this");
  }
  return std::unique_ptr<Backend>(
      std::make_unique<Pty>(outlet, std::move(master), std::move(opens), std::string(name.data())));
}

}  // namespace rhea::chardev
