#include "tests/lib/command.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

namespace rhea::test {

namespace {

// Between fork and exec only what is safe there: another thread may hold the allocator's lock.
[[noreturn]] void become(const char* const* words, int output) {
  setpgid(0, 0);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  execvp(words[0], const_cast<char* const*>(words));
  _exit(127);
}

}  // namespace

CommandResult run(const std::string& command, int seconds) {
  CommandResult result;
  const std::string limit = std::to_string(seconds);
  const std::array<const char*, 7> words = {"timeout", "-k1", limit.c_str(), "/bin/sh", "-c", command.c_str(), nullptr};
  int pipes[2];
  if (pipe2(pipes, O_CLOEXEC) != 0) return result;
  const pid_t child = fork();
  if (child == 0) become(words.data(), pipes[1]);
  close(pipes[1]);
  std::array<char, 4096> text;
  ssize_t got = 0;
  while ((got = read(pipes[0], text.data(), text.size())) > 0) {
    result.output.append(text.data(), static_cast<std::size_t>(got));
  }
  close(pipes[0]);
  int status = 0;
  if (waitpid(child, &status, 0) == child && WIFEXITED(status)) result.status = WEXITSTATUS(status);
  return result;
}

bool haveProgram(const std::string& name) { return run("command -v " + name).status == 0; }

Background::Background(const std::string& command) {
  const std::array<const char*, 4> words = {"/bin/sh", "-c", command.c_str(), nullptr};
  const int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
  pid_ = fork();
  if (pid_ == 0) become(words.data(), nowhere);
  close(nowhere);
  setpgid(pid_, pid_);
}

Background::~Background() {
  if (pid_ <= 0) return;
  kill(-pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

}  // namespace rhea::test
