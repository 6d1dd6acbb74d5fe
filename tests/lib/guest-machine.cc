#include "tests/lib/guest-machine.h"

#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <stdexcept>

#include "tests/lib/command.h"

namespace rhea::test {

namespace {

using Seconds = std::chrono::duration<double>;
constexpr std::size_t kTail = 3000;  // of the console's output, in an exception

std::vector<std::string> withMachine(std::vector<std::string> options) {
  std::vector<std::string> all = {
      "-machine",       "q35", "-S", "-chardev", "socket,id=console,path=console.sock,server=on,wait=off", "-serial",
      "chardev:console"};
  all.insert(all.end(), options.begin(), options.end());
  return all;
}

std::string buildFolder() {
  // Beside the program under test: BUILD/bin/rhea.
  return std::filesystem::path(Emulator::program()).parent_path().parent_path();
}

}  // namespace

GuestMachine::GuestMachine(std::vector<std::string> options)
    : emulator_(withMachine(std::move(options))), qmp_(emulator_.connect()) {
  const std::string path = emulator_.folder().file("console.sock");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  console_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(console_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error("the console's socket takes no connection:\n" + emulator_.output());
  }
  qmp_->returned("cont");
}

GuestMachine::~GuestMachine() { close(console_); }

bool GuestMachine::readMore(double seconds) {
  pollfd ready{console_, POLLIN, 0};
  if (poll(&ready, 1, static_cast<int>(seconds * 1000) + 1) <= 0) return true;
  std::array<char, 4096> text;
  const ssize_t got = read(console_, text.data(), text.size());
  if (got <= 0) return false;
  for (ssize_t i = 0; i < got; ++i) {
    if (text[static_cast<std::size_t>(i)] != '\r') transcript_ += text[static_cast<std::size_t>(i)];
  }
  return true;
}

std::string GuestMachine::await(const std::string& text, double seconds) {
  const auto end = std::chrono::steady_clock::now() + Seconds(seconds);
  bool open = true;
  for (;;) {
    const std::size_t found = transcript_.find(text, seen_);
    if (found != std::string::npos) {
      std::string before = transcript_.substr(seen_, found - seen_);
      seen_ = found + text.size();
      return before;
    }
    const double left = Seconds(end - std::chrono::steady_clock::now()).count();
    if (!open || left <= 0) {
      const std::size_t from = transcript_.size() > kTail ? transcript_.size() - kTail : 0;
      throw std::runtime_error((open ? "the guest does not say '" : "the console has ended before '") + text +
                               "'. The console's end:\n" + transcript_.substr(from) + "\nrhea has said:\n" +
                               emulator_.output());
    }
    open = readMore(std::min(left, 1.0));
  }
}

void GuestMachine::type(const std::string& keys) {
  for (std::size_t done = 0; done < keys.size();) {
    const ssize_t wrote = write(console_, keys.data() + done, keys.size() - done);
    if (wrote <= 0) throw std::runtime_error("the console takes no keys");
    done += static_cast<std::size_t>(wrote);
  }
}

std::string GuestMachine::shell(const std::string& command, double seconds) {
  const std::string end = "--end" + std::to_string(++commands_);
  // In two parts, so that an echo of the line is not taken for its end.
  type(command + "; echo \"--\"\"end" + std::to_string(commands_) + " $?\"\n");
  std::string output = await(end + " ", seconds);
  const std::string status = await("\n", seconds);
  while (!output.empty() && output.back() == '\n') output.pop_back();
  if (status != "0") throw std::runtime_error("in the guest, '" + command + "' ended with " + status + ":\n" + output);
  return output;
}

LinuxGuest::LinuxGuest() {
  const std::string made = buildFolder() + "/linux";
  // Two test programs may come here at once.
  const CommandResult result = run("mkdir -p " + made + " && exec flock " + made + "/lock sh -c 'tests/linux/fetch " +
                                       made + " && tests/linux/make-guest " + made + "'",
                                   180);
  if (result.status == 0) {
    folder = made;
  } else {
    why = "no Linux guest: " + result.output;
  }
}

std::string builtInGuest() { return buildFolder() + "/guest/rhea-guest.elf"; }

}  // namespace rhea::test
