#include "monitor/human/human-monitor.h"

#include <sys/ioctl.h>

#include "monitor/human/console.h"
#include "monitor/human/human-table.h"
#include "monitor/human/local-executor.h"
#include "monitor/human/log-view.h"

namespace rhea::monitor {

// One client: its stream is the console's screen.
class HumanSession final : public Conversation,
                           public chardev::Receiver,
                           public Screen,
                           public Client,
                           public std::enable_shared_from_this<HumanSession> {
 public:
  HumanSession(HumanEnvironment& environment, std::string id, bool mayChange, std::shared_ptr<chardev::Stream> stream,
               std::function<void()> gone)
      : environment_(environment),
        id_(std::move(id)),
        mayChange_(mayChange),
        stream_(std::move(stream)),
        gone_(std::move(gone)),
        since_(Clock::now()) {}

  void start() override {
    environment_.clients.add(*this);
    Peer peer;
    peer.session = id_;
    peer.who = who();
    peer.pid = stream_->credentials().pid;
    peer.uid = stream_->credentials().uid;
    peer.mayChange = mayChange_;
    executor_ =
        std::make_unique<LocalExecutor>(environment_.dispatcher, std::make_shared<const Caller>(std::move(peer)));
    shell_ = std::make_unique<Shell>(humanFormTable(), *executor_);
    ConsoleOptions options;
    options.banner = environment_.greeting;
    options.editing = isTerminal();
    options.historyFile = environment_.historyFile;
    options.noColor = environment_.noColor;
    options.onEnd = [self = shared_from_this()] { self->lineInputEnded(); };
    console_ = Console::create(environment_.dispatcher.loop(), *shell_, *this, std::move(options));
    stream_->setRaw(isTerminal());
    stream_->receive(this);
    console_->start();
    if (environment_.log == nullptr || !isTerminal()) return;
    const auto show = [this](std::string_view lines) { console_->showAbove(lines); };
    logView_ = LogView::create(environment_.dispatcher.loop(), *environment_.log, stream_->terminal(), show);
  }

  void close() override {
    if (isTerminal()) write("\n");  // behind the prompt: what comes next is the shell's
    stream_->close();
  }

  // --- The stream's side.
  void received(std::string_view bytes, std::vector<Fd>) override {
    console_->setColumns(columns());
    console_->feed(bytes);
  }
  // Scripts write their lines, close their side and read on: the lines run, one after the other, and what they print
  // still goes out. One that was not finished is dropped.
  bool inputEnded() override {
    if (isTerminal()) return false;
    console_->feed(kDropLineAndEnd);
    return true;
  }
  void closed() override {
    const std::shared_ptr<HumanSession> self = shared_from_this();
    environment_.clients.remove(*this);
    logView_.reset();
    console_->close();
    if (gone_) std::exchange(gone_, nullptr)();
  }

  // --- The console's side.
  void write(std::string_view text) override { stream_->write(forTerminal(text)); }
  unsigned columns() const override {
    if (stream_->terminal() < 0) return 0;
    winsize size{};
    return ::ioctl(stream_->terminal(), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
  }

  // --- For query-monitors.
  const std::string& id() const override { return id_; }
  Info info() const override {
    Info made;
    made.id = id_;
    made.human = true;
    made.mayChange = mayChange_;
    made.address = stream_->address();
    made.who = describe(stream_->credentials());
    made.commands = console_ ? console_->commands() : 0;
    made.since = since_;
    return made;
  }

 private:
  static constexpr std::string_view kDropLineAndEnd = "\x15\x04";  // Ctrl-U, Ctrl-D

  std::string who() const {
    const std::string peer = describe(stream_->credentials());
    return peer.empty() ? "console " + id_ : peer;
  }

  // In raw mode a line feed alone does not go back to the first column; on sockets terminals at the other end want it
  // as well.
  static std::string forTerminal(std::string_view text) {
    std::string made;
    made.reserve(text.size() + 16);
    for (const char byte : text) {
      if (byte == '\n' && (made.empty() || made.back() != '\r')) made.push_back('\r');
      made.push_back(byte);
    }
    return made;
  }

  void lineInputEnded() {
    if (!isTerminal()) {
      stream_->finish();
      return;
    }
    write("quit ends the machine\n");
    console_->prompt();
  }

  HumanEnvironment& environment_;
  std::string id_;
  bool mayChange_;
  std::shared_ptr<chardev::Stream> stream_;
  std::function<void()> gone_;
  TimePoint since_;
  std::unique_ptr<LocalExecutor> executor_;
  std::unique_ptr<Shell> shell_;
  std::shared_ptr<Console> console_;
  std::unique_ptr<LogView> logView_;
};

Result<std::unique_ptr<HumanMonitor>> HumanMonitor::create(HumanEnvironment& environment, chardev::Chardev& chardev,
                                                           const Settings& settings) {
  std::unique_ptr<HumanMonitor> monitor(new HumanMonitor(environment, chardev, settings));
  RHEA_CHECK(monitor->serve());
  return monitor;
}

std::shared_ptr<Conversation> HumanMonitor::talkWith(Client client) {
  return std::make_shared<HumanSession>(environment_, std::move(client.id), client.mayChange, std::move(client.stream),
                                        std::move(client.gone));
}

}  // namespace rhea::monitor
