// rhea-shell: the human monitor of a running machine, over its QMP socket: from another terminal, a script or a pipe.
#include <getopt.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>

#include "config.h"
#include "emu/io/offload.h"
#include "monitor/human/console.h"
#include "monitor/human/human-table.h"
#include "monitor/shell/qmp-client.h"
#include "monitor/shell/terminal.h"

namespace rhea::monitor {

namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

constexpr std::string_view kUsageText =
    "usage: rhea-shell [OPTION]... SOCKET [LINE]...\n"
    "The human monitor of a running machine, over its QMP socket.\n"
    "\n"
    "  SOCKET            path of a unix socket, or tcp:HOST:PORT\n"
    "  LINE              a line to run, as 'info block'; several run one after another. Without one, lines are read\n"
    "                    from standard input, with editing and completion where it is a terminal\n"
    "  -e, --events      show the machine's events as they come\n"
    "  -k, --keep-going  go on after a line that failed\n"
    "  -t, --timeout=S   wait S seconds for the greeting (default 5)\n"
    "  -h, --help        this text\n"
    "  -V, --version     version\n"
    "Exit status: 0 all lines succeeded, 1 one failed or the connection was lost, 2 usage.\n";

struct Options {
  std::string address;
  std::vector<std::string> lines;
  bool events = false;
  bool keepGoing = false;
  double patience = 5;
};

class Session {
 public:
  Session(Loop& loop, Options options) : loop_(loop), options_(std::move(options)) {}

  Task<void> run() {
    const Duration patience = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(options_.patience));
    Result<std::unique_ptr<QmpClient>> client = co_await QmpClient::connect(loop_, options_.address, patience);
    if (!client) {
      fmt::print(stderr, "rhea-shell: {}\n", client.error().describe());
      end(kFailed);
      co_return;
    }
    client_ = *std::move(client);
    shell_.emplace(humanFormTable(), *client_);
    QmpClient::Callbacks callbacks;
    callbacks.onClosed = [this](std::string reason) { closed(std::move(reason)); };
    if (options_.events) callbacks.onEvent = [this](json::Value event) { eventCame(std::move(event)); };
    client_->setCallbacks(std::move(callbacks));
    if (!options_.lines.empty()) {
      co_await runLines();
    } else {
      co_await readLines();
    }
  }

  int status() const { return status_; }

 private:
  Task<void> runLines() {
    for (const std::string& line : options_.lines) {
      const bool ok = co_await runOne(line);
      if (ended_ || (!ok && !options_.keepGoing)) break;
    }
    end(status_);
  }

  // False where the line failed.
  Task<bool> runOne(std::string line) {
    const ShellOutput output = co_await shell_->run(line, dress());
    const bool failed = output.failed || output.text.starts_with(kErrorPrefix);
    if (failed) status_ = kFailed;
    if (failed && !terminal_.isTerminal()) {
      fmt::print(stderr, "{}", output.text);
    } else {
      terminal_.write(output.text);
    }
    co_return !failed;
  }

  Task<void> readLines() {
    if (::isatty(STDIN_FILENO) == 0) {
      co_await readScript();
      co_return;
    }
    startConsole();
  }

  // Lines of a pipe or file, one after another.
  Task<void> readScript() {
    std::string input;
    std::array<char, 4096> bytes;
    while (!ended_) {
      const auto readSome = [&bytes] { return ::read(STDIN_FILENO, bytes.data(), bytes.size()); };
      const ssize_t got = co_await offload(readSome);
      if (got > 0) input.append(bytes.data(), static_cast<std::size_t>(got));
      std::size_t newline = 0;
      while (!ended_ && (newline = input.find('\n')) != std::string::npos) {
        const std::string line = input.substr(0, newline);
        input.erase(0, newline + 1);
        const bool ok = line.starts_with('#') || co_await runOne(line);
        if (!ok && !options_.keepGoing) {
          end(status_);
          co_return;
        }
      }
      if (got <= 0) break;
    }
    if (!ended_ && !input.empty()) co_await runOne(input);
    end(status_);
  }

  void startConsole();
  void keysCame();
  void eventCame(json::Value event);

  void closed(std::string reason) {
    if (ended_) return;
    if (!quitting_) fmt::print(stderr, "rhea-shell: {}\n", reason);
    end(quitting_ ? status_ : kFailed);
  }

  void end(int status) {
    if (ended_) return;
    ended_ = true;
    status_ = status;
    if (console_) console_->close();
    loop_.stop();
  }

  Dress dress() const { return Dress::forScreen(terminal_, std::getenv("NO_COLOR") != nullptr); }

  Loop& loop_;
  Options options_;
  std::unique_ptr<QmpClient> client_;
  std::optional<Shell> shell_;
  Terminal terminal_{false};
  std::unique_ptr<Terminal> rawMode_;
  std::shared_ptr<Console> console_;
  std::unique_ptr<Loop::Watch> keys_;
  std::unique_ptr<Loop::Watch> resized_;
  int status_ = 0;
  bool ended_ = false;
  bool quitting_ = false;
};

void Session::startConsole() {
  rawMode_ = std::make_unique<Terminal>(true);
  ConsoleOptions options;
  options.editing = true;
  options.historyFile = defaultHistoryFile();
  options.noColor = std::getenv("NO_COLOR") != nullptr;
  options.banner = "Connected. help lists the commands, Tab completes, exit or Ctrl-D leaves; quit ends the machine.\n";
  options.localLine = [this](const std::string& line) {
    if (line == "exit") {
      end(0);
      return true;
    }
    if (line == "quit" || line == "q") quitting_ = true;
    return false;
  };
  options.onEnd = [this] { end(0); };
  console_ = Console::create(loop_, *shell_, *rawMode_, std::move(options));
  keys_ = loop_.watch(STDIN_FILENO, Loop::Ready::kRead, [this] { keysCame(); });
  resized_ = loop_.signal(SIGWINCH, [this] {
    rawMode_->measure();
    console_->setColumns(rawMode_->columns());
  });
  console_->start();
}

void Session::keysCame() {
  std::array<char, 1024> bytes;
  const ssize_t got = ::read(STDIN_FILENO, bytes.data(), bytes.size());
  if (got > 0) {
    console_->feed(std::string_view(bytes.data(), static_cast<std::size_t>(got)));
  } else if (got == 0 || errno != EINTR) {
    end(0);
  }
}

void Session::eventCame(json::Value event) {
  const std::string text = event.text() + "\n";
  if (console_) {
    console_->showAbove(text);
  } else {
    terminal_.write(text);
  }
}

// Nothing where the program should end with the status that `status` got.
std::optional<Options> parseArguments(int count, char** words, int& status) {
  static constexpr option kLong[] = {
      {"events", no_argument, nullptr, 'e'},        {"keep-going", no_argument, nullptr, 'k'},
      {"timeout", required_argument, nullptr, 't'}, {"help", no_argument, nullptr, 'h'},
      {"version", no_argument, nullptr, 'V'},       {nullptr, 0, nullptr, 0}};
  Options options;
  status = kUsage;
  int letter = 0;
  // "+": options end at SOCKET, so that a line may begin with a dash.
  while ((letter = ::getopt_long(count, words, "+ekt:hV", kLong, nullptr)) != -1) {
    switch (letter) {
      case 'e':
        options.events = true;
        break;
      case 'k':
        options.keepGoing = true;
        break;
      case 't': {
        char* end = nullptr;
        options.patience = std::strtod(optarg, &end);
        if (*optarg == '\0' || *end != '\0' || !(options.patience > 0) || options.patience > 1e6) {
          fmt::print(stderr, "rhea-shell: --timeout takes seconds above 0, not '{}'\n", optarg);
          return std::nullopt;
        }
        break;
      }
      case 'h':
        fmt::print("{}", kUsageText);
        status = 0;
        return std::nullopt;
      case 'V':
        fmt::print("rhea-shell {}\n", RHEA_VERSION);
        status = 0;
        return std::nullopt;
      default:
        fmt::print(stderr, "{}", kUsageText);
        return std::nullopt;
    }
  }
  if (optind == count) {
    fmt::print(stderr, "rhea-shell: which machine? Name its QMP socket.\n{}", kUsageText);
    return std::nullopt;
  }
  options.address = words[optind];
  options.lines.assign(words + optind + 1, words + count);
  return options;
}

int shellMain(int count, char** words) {
  int status = 0;
  std::optional<Options> options = parseArguments(count, words, status);
  if (!options) return status;
  ::signal(SIGPIPE, SIG_IGN);
  WorkerPool workers;
  Result<std::unique_ptr<Loop>> loop = Loop::create("main", workers);
  if (!loop) {
    fmt::print(stderr, "rhea-shell: {}\n", loop.error().describe());
    return kFailed;
  }
  Session session(**loop, *std::move(options));
  (*loop)->spawn(session.run());
  (*loop)->run();
  return session.status();
}

}  // namespace

}  // namespace rhea::monitor

int main(int count, char** words) { return rhea::monitor::shellMain(count, words); }
