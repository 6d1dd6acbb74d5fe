#include "emu/daemon.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace rhea {

namespace {

// The parent's whole remaining life: one byte means that the child is ready, the end of the pipe that it is not.
[[noreturn]] void awaitChild(pid_t child, int pipe) {
  char byte = 0;
  ssize_t got = 0;
  do {
    got = ::read(pipe, &byte, 1);
  } while (got < 0 && errno == EINTR);
  if (got == 1) ::_exit(0);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  ::_exit(WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : 1);
}

}  // namespace

Result<Daemon> Daemon::start() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return Error::fromErrno(errno, "-daemonize: cannot make a pipe");
  Fd reading(ends[0]);
  Fd writing(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return Error::fromErrno(errno, "-daemonize: cannot start a process");
  if (child > 0) {
    writing.reset();
    awaitChild(child, reading.get());
  }
  ::setsid();
  return Daemon(std::move(writing));
}

void Daemon::ready() {
  const Fd nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nothing.get(), fd);
  const char byte = 0;
  // A parent that was killed meanwhile changes nothing for the service.
  while (::write(parent_.get(), &byte, 1) < 0 && errno == EINTR) {
  }
  parent_.reset();
}

}  // namespace rhea
