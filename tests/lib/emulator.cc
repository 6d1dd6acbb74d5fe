#include "tests/lib/emulator.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace rhea::test {

namespace {

constexpr double kStartSeconds = 20;
constexpr double kEndSeconds = 5;
constexpr std::chrono::milliseconds kPause(2);

// A connection of its own, closed at once: the program serves many.
bool takesConnections(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool taken = connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(probe);
  return taken;
}

}  // namespace

std::string Emulator::program() {
  if (const char* told = std::getenv("RHEA_BIN")) return told;
  return std::filesystem::absolute("build/bin/rhea");
}

Emulator::Emulator(const std::vector<std::string>& options) : socket_(folder_.file("qmp.sock")) {
  std::vector<std::string> words = {program(), "-nodefaults", "-qmp", "unix:" + socket_ + ",server=on,wait=off"};
  if (std::ranges::find(options, "-machine") == options.end()) words.insert(words.end(), {"-machine", "none"});
  words.insert(words.end(), options.begin(), options.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const std::string log = folder_.file("output.log");
  pid_ = fork();
  if (pid_ == 0) {
    const int nothing = open("/dev/null", O_RDONLY);
    const int output = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (chdir(folder_.path().c_str()) != 0) _exit(126);
    dup2(nothing, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(kStartSeconds);
  while (!takesConnections(socket_)) {
    if (wait(0) >= 0) {
      throw std::runtime_error(words[0] + " ended with status " + std::to_string(status_) + ":\n" + output());
    }
    if (std::chrono::steady_clock::now() > end) {
      kill(pid_, SIGKILL);
      wait(kEndSeconds);
      throw std::runtime_error(words[0] + " does not listen on " + socket_ + ":\n" + output());
    }
    std::this_thread::sleep_for(kPause);
  }
}

Emulator::~Emulator() {
  if (wait(0) >= 0) return;
  kill(pid_, SIGTERM);
  if (wait(kEndSeconds) >= 0) return;
  kill(pid_, SIGKILL);
  wait(kEndSeconds);
}

std::string Emulator::output() const {
  std::ostringstream text;
  text << std::ifstream(folder_.file("output.log")).rdbuf();
  return text.str();
}

int Emulator::wait(double seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (status_ < 0) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    } else if (std::chrono::steady_clock::now() >= end) {
      return -1;
    } else {
      std::this_thread::sleep_for(kPause);
    }
  }
  return status_;
}

}  // namespace rhea::test
