#include "monitor/human/line-reader.h"

namespace rhea::monitor {

namespace {

constexpr std::size_t kLongestLine = 1U << 20;  // a client that never ends its line must not fill the memory

class PlainReader final : public LineReader {
 public:
  PlainReader(Screen& screen, Callbacks callbacks) : screen_(screen), callbacks_(std::move(callbacks)) {}

  void feed(std::string_view bytes) override {
    for (const char byte : bytes) {
      if (!asking_ && byte == '\x03' && callbacks_.onInterrupt) {
        callbacks_.onInterrupt();
        continue;
      }
      pending_.push_back(byte);
    }
    pump();
  }

  void ask(const std::string& prompt) override {
    asking_ = true;
    screen_.write(prompt);
    if (!pumping_) pump();
  }

  void complete(const std::string&, const Completion&) override {}
  void showAbove(std::string_view text) override { screen_.write(text); }
  void setColumns(unsigned) override {}

 private:
  // A loop and not recursion: a command that ends at once asks again from inside onLine.
  void pump() {
    if (pumping_) return;
    pumping_ = true;
    std::size_t used = 0;
    while (asking_ && used < pending_.size()) {
      if (!take(pending_[used++])) break;
    }
    pending_.erase(0, used);
    pumping_ = false;
  }

  // False when the session ended.
  bool take(char byte) {
    const bool lineFeedAfterReturn = byte == '\n' && lastWasReturn_;
    lastWasReturn_ = byte == '\r';
    switch (byte) {
      case '\n':
      case '\r':
        if (!lineFeedAfterReturn) deliver();
        return true;
      case '\x04':
        if (!line_.empty()) return true;
        callbacks_.onEnd();
        return false;
      case '\b':
      case '\x7f':
        if (!line_.empty()) line_.pop_back();
        return true;
      case '\x15':
        line_.clear();
        return true;
      default:
        keep(byte);
        return true;
    }
  }

  void keep(char byte) {
    const bool printable = static_cast<unsigned char>(byte) >= 0x20 || byte == '\t';
    if (!printable) return;
    if (line_.size() < kLongestLine) {
      line_.push_back(byte);
    } else {
      tooLong_ = true;
    }
  }

  void deliver() {
    asking_ = false;
    std::string line = std::exchange(line_, {});
    if (std::exchange(tooLong_, false)) {
      screen_.write(fmt::format("error: a line is at most {} bytes long; this one was thrown away\n", kLongestLine));
      line.clear();
    }
    callbacks_.onLine(std::move(line));
  }

  Screen& screen_;
  Callbacks callbacks_;
  std::string pending_;  // bytes not looked at yet
  std::string line_;
  bool asking_ = false;
  bool pumping_ = false;
  bool lastWasReturn_ = false;
  bool tooLong_ = false;
};

}  // namespace

std::unique_ptr<LineReader> makePlainReader(Screen& screen, LineReader::Callbacks callbacks) {
  return std::make_unique<PlainReader>(screen, std::move(callbacks));
}

}  // namespace rhea::monitor
