// GNU readline behind LineReader.
//
// readline keeps its state in globals and wants to own a terminal. Here it owns neither: bytes come from feed() through
// rl_getc_function, text goes to a Screen through a cookie stream, signals and terminal modes are left to whoever holds
// the terminal. What stays global is readline itself, so one reader may exist at a time; `theReader` is the way from
// its C callbacks back to the object, not a place where anything else may look.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

// readline's own headers want stdio first.
#include <readline/history.h>
#include <readline/readline.h>

#include "monitor/human/line-reader.h"
#include "monitor/human/table.h"

namespace rhea::monitor {

namespace {

constexpr int kHistoryEntries = 2000;

class ReadlineReader;
ReadlineReader* theReader = nullptr;  // set while one exists

class ReadlineReader final : public LineReader {
 public:
  ReadlineReader(Screen& screen, Callbacks callbacks, std::string historyFile)
      : screen_(screen), callbacks_(std::move(callbacks)), historyFile_(std::move(historyFile)) {}

  Result<void> open() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return Error::fromErrno(errno, "cannot make a pipe for readline");
    // A stream that never has anything to read: readline asks the descriptor for more keys after an escape.
    input_ = ::fdopen(ends[0], "r");
    silentEnd_ = ends[1];
    cookie_io_functions_t functions{};
    functions.write = [](void* cookie, const char* data, std::size_t size) -> ssize_t {
      static_cast<ReadlineReader*>(cookie)->screen_.write(std::string_view(data, size));
      return static_cast<ssize_t>(size);
    };
    output_ = ::fopencookie(this, "w", functions);
    if (input_ == nullptr || output_ == nullptr) return Error::fromErrno(errno, "cannot open a stream for readline");
    theReader = this;
    configure();
    return success();
  }

  ~ReadlineReader() override {
    if (theReader == this) {
      if (asking_) ::rl_callback_handler_remove();
      saveHistory();
      ::clear_history();
      ::rl_instream = nullptr;
      ::rl_outstream = nullptr;
      theReader = nullptr;
    }
    if (output_ != nullptr) ::fclose(output_);
    if (input_ != nullptr) ::fclose(input_);
    if (silentEnd_ >= 0) ::close(silentEnd_);
  }

  void feed(std::string_view bytes) override {
    for (const char byte : bytes) {
      if (!asking_ && byte == '\x03' && callbacks_.onInterrupt) {
        callbacks_.onInterrupt();
      } else {
        pending_.push_back(byte);
      }
    }
    pump();
  }

  void ask(const std::string& prompt) override {
    asking_ = true;
    prompt_ = prompt;
    ::rl_callback_handler_install(prompt_.c_str(), &ReadlineReader::lineArrived);
    ::fflush(output_);
    pump();
  }

  void complete(const std::string& line, const Completion& completion) override;

  void showAbove(std::string_view text) override {
    if (!asking_) {
      screen_.write(text);
      return;
    }
    screen_.write("\r\x1b[K");
    screen_.write(text);
    ::rl_on_new_line();
    ::rl_redisplay();
    ::fflush(output_);
  }

  void setColumns(unsigned columns) override {
    if (columns > 0) ::rl_set_screen_size(24, static_cast<int>(columns));
  }

 private:
  static int readByte(FILE*) {
    if (theReader == nullptr || theReader->pending_.empty()) return EOF;
    const char byte = theReader->pending_.front();
    theReader->pending_.erase(0, 1);
    return static_cast<unsigned char>(byte);
  }

  static void lineArrived(char* text) {
    ReadlineReader& self = *theReader;
    const std::unique_ptr<char, void (*)(void*)> owned(text, &std::free);
    // Removed before anything is printed: readline would draw its prompt again after this callback returns.
    ::rl_callback_handler_remove();
    self.asking_ = false;
    ::fflush(self.output_);
    if (text == nullptr) {
      self.screen_.write("\n");
      self.arrived_.reset();
      self.ended_ = true;
      return;
    }
    self.arrived_ = std::string(text);
    self.remember(*self.arrived_);
  }

  static int tabPressed(int, int) {
    ReadlineReader& self = *theReader;
    if (self.callbacks_.onComplete) {
      self.callbacks_.onComplete(::rl_line_buffer, static_cast<std::size_t>(::rl_point));
    }
    return 0;
  }

  static int interruptPressed(int, int) {
    ReadlineReader& self = *theReader;
    ::rl_end_of_line(1, 0);
    ::rl_redisplay();
    ::fflush(self.output_);
    self.screen_.write("^C\n");
    ::rl_replace_line("", 1);
    ::rl_point = ::rl_end = 0;
    ::rl_on_new_line();
    ::rl_redisplay();
    return 0;
  }

  void configure() {
    ::rl_readline_name = "rhea";
    ::rl_instream = input_;
    ::rl_outstream = output_;
    ::rl_getc_function = &ReadlineReader::readByte;
    ::rl_catch_signals = 0;
    ::rl_catch_sigwinch = 0;
    ::rl_change_environment = 0;
    ::rl_prep_term_function = nullptr;
    ::rl_deprep_term_function = nullptr;
    ::rl_variable_bind("enable-bracketed-paste", "off");
    ::rl_initialize();
    ::rl_tty_set_echoing(1);  // usually found out from the terminal's modes, which are not readline's here
    ::rl_bind_key('\t', &ReadlineReader::tabPressed);
    ::rl_bind_key('\x03', &ReadlineReader::interruptPressed);
    setColumns(screen_.columns());
    ::using_history();
    ::stifle_history(kHistoryEntries);
    if (!historyFile_.empty()) ::read_history(historyFile_.c_str());
  }

  // One key at a time: a finished line is handed out before the next key is looked at.
  void pump() {
    if (pumping_) return;
    pumping_ = true;
    while (asking_ && !pending_.empty()) {
      ::rl_callback_read_char();
      if (output_ != nullptr) ::fflush(output_);
      if (std::exchange(ended_, false)) {
        callbacks_.onEnd();
        break;
      }
      if (std::optional<std::string> line = std::exchange(arrived_, std::nullopt)) callbacks_.onLine(std::move(*line));
    }
    pumping_ = false;
  }

  void remember(const std::string& line) {
    if (line.empty() || line.front() == ' ') return;
    const HIST_ENTRY* last = ::history_length > 0 ? ::history_get(::history_base + ::history_length - 1) : nullptr;
    if (last != nullptr && line == last->line) return;
    ::add_history(line.c_str());
    unsaved_ = true;
  }

  void saveHistory() const {
    if (historyFile_.empty() || !unsaved_) return;
    std::error_code ignored;
    std::filesystem::create_directories(std::filesystem::path(historyFile_).parent_path(), ignored);
    // Lines may hold secrets (object_add secret): for the owner only.
    const int fd = ::open(historyFile_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0) ::close(fd);
    ::write_history(historyFile_.c_str());
    ::chmod(historyFile_.c_str(), 0600);
  }

  Screen& screen_;
  Callbacks callbacks_;
  std::string historyFile_;
  std::string prompt_;
  std::string pending_;
  std::optional<std::string> arrived_;
  FILE* input_ = nullptr;
  FILE* output_ = nullptr;
  int silentEnd_ = -1;
  bool asking_ = false;
  bool pumping_ = false;
  bool ended_ = false;
  bool unsaved_ = false;
};

std::string commonPrefix(const std::vector<std::string>& words) {
  std::string prefix = words.front();
  for (const std::string& word : words) {
    std::size_t same = 0;
    while (same < prefix.size() && same < word.size() && prefix[same] == word[same]) ++same;
    prefix.resize(same);
  }
  return prefix;
}

// Candidates in columns that fit the screen, at most a screenful: the rest is counted.
std::string listing(const std::vector<std::string>& words, unsigned columns) {
  constexpr std::size_t kMost = 200;
  std::size_t widest = 0;
  const std::size_t shown = std::min(words.size(), kMost);
  for (std::size_t i = 0; i < shown; ++i) widest = std::max(widest, displayWidth(words[i]));
  const std::size_t across = std::max<std::size_t>(1, (columns == 0 ? 80 : columns) / (widest + 2));
  const std::size_t down = (shown + across - 1) / across;
  std::string text;
  for (std::size_t row = 0; row < down; ++row) {
    std::string line;
    for (std::size_t i = row; i < shown; i += down) {
      line.append(words[i]).append(widest + 2 - displayWidth(words[i]), ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text.append(line).append("\n");
  }
  if (shown < words.size()) text += fmt::format("... and {} more\n", words.size() - shown);
  return text;
}

void ReadlineReader::complete(const std::string& line, const Completion& completion) {
  // The answer to a look-up may come after the person typed on.
  if (!asking_ || line != ::rl_line_buffer || completion.candidates.empty()) return;
  const std::size_t cursor = static_cast<std::size_t>(::rl_point);
  if (completion.start > cursor) return;
  const std::string typed = line.substr(completion.start, cursor - completion.start);
  std::string insert = commonPrefix(completion.candidates);
  const bool only = completion.candidates.size() == 1;
  if (only && completion.closes) insert += ' ';
  if (insert != typed && insert.size() >= typed.size()) {
    ::rl_begin_undo_group();
    ::rl_delete_text(static_cast<int>(completion.start), static_cast<int>(cursor));
    ::rl_point = static_cast<int>(completion.start);
    ::rl_insert_text(insert.c_str());
    ::rl_end_undo_group();
    ::rl_redisplay();
  } else if (!only) {
    screen_.write("\n" + listing(completion.candidates, screen_.columns()));
    ::rl_on_new_line();
    ::rl_redisplay();
  }
  ::fflush(output_);
}

}  // namespace

Result<std::unique_ptr<LineReader>> makeReadlineReader(Screen& screen, LineReader::Callbacks callbacks,
                                                       std::string historyFile) {
  if (theReader != nullptr) return Error("line editing is in use by another terminal of this process");
  auto reader = std::make_unique<ReadlineReader>(screen, std::move(callbacks), std::move(historyFile));
  RHEA_CHECK(reader->open());
  return std::unique_ptr<LineReader>(std::move(reader));
}

std::string defaultHistoryFile() {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/') {
    return std::string(state) + "/rhea/history";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') {
    return std::string(home) + "/.local/state/rhea/history";
  }
  return {};
}

}  // namespace rhea::monitor
