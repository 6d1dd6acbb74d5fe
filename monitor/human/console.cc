#include "monitor/human/console.h"

namespace rhea::monitor {

namespace {

constexpr std::size_t kHistoryKept = 2000;

std::string renderHistory(const std::vector<std::string>& history) {
  std::string text;
  for (std::size_t i = 0; i < history.size(); ++i) text += fmt::format("{:5}  {}\n", i + 1, history[i]);
  return text;
}

// `info history` is about this console, which no command body can see.
bool asksForHistory(std::string_view line) {
  const std::vector<Word> words = splitWords(line);
  return words.size() == 2 && words[0].text == "info" && words[1].text == "history";
}

}  // namespace

std::shared_ptr<Console> Console::create(Loop& loop, Shell& shell, Screen& screen, ConsoleOptions options) {
  return std::make_shared<Console>(loop, shell, screen, std::move(options));
}

Console::Console(Loop& loop, Shell& shell, Screen& screen, ConsoleOptions options)
    : loop_(loop), shell_(shell), screen_(&screen), options_(std::move(options)), completer_(shell) {}

void Console::start() {
  const auto callbacks = [this] {
    LineReader::Callbacks made;
    made.onLine = [this](std::string line) { lineArrived(std::move(line)); };
    made.onEnd = [this] { ended(); };
    made.onInterrupt = [this] { interrupted(); };
    made.onComplete = [this](std::string line, std::size_t cursor) { completionWanted(std::move(line), cursor); };
    return made;
  };
  if (options_.editing) {
    Result<std::unique_ptr<LineReader>> editing = makeReadlineReader(*screen_, callbacks(), options_.historyFile);
    if (editing) reader_ = *std::move(editing);
  }
  if (!reader_) reader_ = makePlainReader(*screen_, callbacks());
  screen_->write(options_.banner);
  prompt();
}

void Console::prompt() {
  if (reader_) reader_->ask(options_.prompt);
}

void Console::feed(std::string_view bytes) {
  if (reader_) reader_->feed(bytes);
}

void Console::showAbove(std::string_view text) {
  if (reader_) reader_->showAbove(text);
}

void Console::setColumns(unsigned columns) {
  if (reader_) reader_->setColumns(columns);
}

void Console::close() {
  screen_ = nullptr;
  options_.onEnd = nullptr;
  // The reader may be on the stack below (a line that ends the session): it goes with the loop's next turn.
  std::shared_ptr<LineReader> reader = std::move(reader_);
  loop_.post([reader] {});
}

void Console::lineArrived(std::string line) {
  if (splitWords(line).empty()) {
    prompt();
    return;
  }
  ++commands_;
  history_.push_back(line);
  if (history_.size() > kHistoryKept) history_.erase(history_.begin());
  if (options_.localLine && options_.localLine(line)) {
    prompt();
    return;
  }
  if (asksForHistory(line)) {
    screen_->write(renderHistory(history_));
    reader_->ask(options_.prompt);
    return;
  }
  loop_.spawn(runLine(shared_from_this(), std::move(line)));
}

void Console::completionWanted(std::string line, std::size_t cursor) {
  loop_.spawn(runCompletion(shared_from_this(), std::move(line), cursor));
}

void Console::interrupted() {
  if (!running_ || screen_ == nullptr) return;
  ++turn_;
  running_ = false;
  screen_->write("^C\nno longer waiting; the command goes on (info stuck lists it while it does)\n");
  reader_->ask(options_.prompt);
}

void Console::ended() {
  if (options_.onEnd) loop_.post(options_.onEnd);
}

Dress Console::dress() const { return Dress::forScreen(*screen_, options_.noColor); }

Task<void> Console::runLine(std::shared_ptr<Console> self, std::string line) {
  if (self->screen_ == nullptr) co_return;
  const std::uint64_t turn = ++self->turn_;
  self->running_ = true;
  const ShellOutput output = co_await self->shell_.run(std::move(line), self->dress());
  if (self->screen_ == nullptr) co_return;
  if (turn != self->turn_) {  // interrupted meanwhile: told above the line that is being typed now
    self->reader_->showAbove(output.text);
    co_return;
  }
  self->running_ = false;
  self->screen_->write(output.text);
  self->reader_->ask(self->options_.prompt);
}

Task<void> Console::runCompletion(std::shared_ptr<Console> self, std::string line, std::size_t cursor) {
  const Completion completion = co_await self->completer_.complete(line, cursor);
  if (self->reader_) self->reader_->complete(line, completion);
}

}  // namespace rhea::monitor
