#include "emu/base/json-framer.h"

namespace rhea::json {

namespace {

constexpr char kReset = '\xFF';

bool isSpace(char byte) { return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r'; }

// Bytes of numbers and literals; whether they make a valid one is the parser's business.
bool isWordByte(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || byte == '-' ||
         byte == '+' || byte == '.';
}

}  // namespace

void Frame::keep() {
  if (memory_ || text_.empty()) return;
  ByteQueue copy;
  copy.append(text_);
  text_ = copy.view();
  memory_ = copy.takeFront(text_.size());
}

// Of a broken message the parser tells best what is wrong; it stops at the same byte as the scan, or before it at a
// word that is none.
Result<Value> Frame::parse() const {
  if (error_) return *error_;
  Limits limits = limits_;
  if (brokenAt_) limits.bytes = text_.size();
  Result<Value> result = json::parse(text_, limits);
  if (!brokenAt_ || !result.ok()) return result;
  return Error(fmt::format("JSON syntax error at byte {} of the message", *brokenAt_));
}

void Framer::feed(std::string_view bytes) {
  if (begin_ == buffer_.size() || begin_ > buffer_.size() / 2) {  // so each byte is moved once on average
    buffer_.dropFront(begin_);
    at_ -= begin_;
    begin_ = 0;
  }
  buffer_.append(bytes);
}

std::optional<Result<Value>> Framer::next() {
  const std::optional<Frame> frame = nextFrame();
  if (!frame) return std::nullopt;
  return frame->parse();
}

std::optional<Result<Value>> Framer::finish() {
  const std::optional<Frame> frame = finishFrame();
  if (!frame) return std::nullopt;
  return frame->parse();
}

std::optional<Frame> Framer::nextFrame() {
  while (at_ < buffer_.size()) {
    const char byte = buffer_[at_];
    if (byte == kReset) {
      if (std::optional<Error> error = reset()) return Frame(*std::move(error));
      continue;
    }
    if (discard_ == Discard::kBroken) {
      discardByte(byte);
      continue;
    }
    switch (scan(byte)) {
      case Step::kTaken:
        lineStart_ = byte == '\n';
        ++at_;
        if (state_ == State::kBetween || discard_ == Discard::kToEnd) begin_ = at_;
        break;
      case Step::kComplete:
        lineStart_ = false;
        ++at_;
        [[fallthrough]];
      case Step::kBefore:
        if (discard_ == Discard::kNo) return take();
        restart(at_);
        break;
      case Step::kBroken: {
        std::optional<Frame> told;
        if (discard_ == Discard::kNo) told = broken();
        discard_ = Discard::kBroken;
        lexeme_ = Lexeme::kNone;
        begin_ = at_;
        if (told) return told;
        break;
      }
    }
    if (std::optional<Error> error = overBound()) return Frame(*std::move(error));
  }
  return std::nullopt;
}

std::optional<Frame> Framer::finishFrame() {
  if (discard_ != Discard::kNo || state_ == State::kBetween) return std::nullopt;
  if (lexeme_ == Lexeme::kWord && depth_ == 0) return take();
  Error error(fmt::format("the stream ended inside a JSON message, {} bytes after its start", held()));
  restart(buffer_.size());
  return Frame(std::move(error));
}

// One byte 0xFF at at_.
std::optional<Error> Framer::reset() {
  std::optional<Error> error;
  if (discard_ == Discard::kNo && state_ != State::kBetween) {
    error.emplace(fmt::format("a reset byte (0xff) cut off a JSON message {} bytes after its start", at_ - begin_));
  }
  restart(at_ + 1);
  lineStart_ = true;
  return error;
}

void Framer::restart(std::size_t at) {
  begin_ = at_ = at;
  state_ = State::kBetween;
  lexeme_ = Lexeme::kNone;
  discard_ = Discard::kNo;
  depth_ = 0;
  tokens_ = 0;
  objects_.clear();
}

Frame Framer::take() {
  Frame frame = cut(at_);
  restart(at_);
  return frame;
}

Frame Framer::broken() {
  constexpr std::size_t kShownBehind = 80;
  const std::size_t length = at_ - begin_;
  Frame frame = cut(std::min(at_ + kShownBehind, buffer_.size()));
  frame.brokenAt_ = length;
  return frame;
}

// The message's bytes up to `end`, which may stand behind at_. The scan goes on at at_. A long message takes the memory
// with it.
Frame Framer::cut(std::size_t end) {
  constexpr std::size_t kLong = std::size_t{64} << 10;
  Frame frame(limits_);
  frame.text_ = buffer_.view().substr(begin_, end - begin_);
  if (frame.text_.size() >= kLong) {
    frame.memory_ = buffer_.takeFront(at_);
    at_ = 0;
  }
  begin_ = at_;
  return frame;
}

std::optional<Error> Framer::overBound() {
  if (discard_ != Discard::kNo) return std::nullopt;
  std::optional<Error> error;
  if (at_ - begin_ > limits_.bytes) {
    error.emplace(fmt::format("the JSON message is longer than {} bytes; it is ignored to its end", limits_.bytes));
    discard_ = Discard::kToEnd;
  } else if (tokens_ > limits_.tokens) {
    error.emplace(
        fmt::format("the JSON message has more than {} tokens (values, keys, punctuation); it is ignored to its end",
                    limits_.tokens));
    discard_ = Discard::kToEnd;
  } else if (depth_ > limits_.depth) {
    error.emplace(fmt::format("the JSON message nests arrays and objects deeper than {}; it is ignored to its end",
                              limits_.depth));
    discard_ = Discard::kBroken;
  }
  if (error) begin_ = at_;
  return error;
}

void Framer::discardByte(char byte) {
  if (lexeme_ == Lexeme::kEscape) {
    lexeme_ = Lexeme::kString;
  } else if (lexeme_ == Lexeme::kString) {
    if (byte == '"' || byte == '\n') lexeme_ = Lexeme::kNone;
    if (byte == '\\') lexeme_ = Lexeme::kEscape;
  } else if (byte == '"') {
    lexeme_ = Lexeme::kString;
  } else if (byte == '{' || byte == '[') {
    if (depth_ == 0 || lineStart_) return restart(at_);
    ++depth_;
  } else if ((byte == '}' || byte == ']') && depth_ > 0) {
    --depth_;
  }
  lineStart_ = byte == '\n';
  begin_ = ++at_;
  if (lineStart_ && depth_ == 0) restart(at_);
}

bool Framer::mayBeginValue() const {
  return state_ == State::kBetween || state_ == State::kValue || state_ == State::kFirstItem;
}

Framer::Step Framer::endValue() {
  lexeme_ = Lexeme::kNone;
  state_ = State::kAfterValue;
  return depth_ == 0 ? Step::kComplete : Step::kTaken;
}

Framer::Step Framer::openBracket(bool object) {
  if (!mayBeginValue()) return Step::kBroken;
  ++tokens_;
  ++depth_;
  objects_.push_back(object);
  state_ = object ? State::kFirstKey : State::kFirstItem;
  return Step::kTaken;
}

Framer::Step Framer::closeBracket(bool object) {
  const State empty = object ? State::kFirstKey : State::kFirstItem;
  if (depth_ == 0 || objects_.back() != object || (state_ != State::kAfterValue && state_ != empty)) {
    return Step::kBroken;
  }
  ++tokens_;
  --depth_;
  objects_.pop_back();
  return endValue();
}

Framer::Step Framer::scanString(char byte) {
  if (static_cast<unsigned char>(byte) < 0x20) return Step::kBroken;
  if (lexeme_ == Lexeme::kEscape) {
    lexeme_ = Lexeme::kString;
  } else if (byte == '\\') {
    lexeme_ = Lexeme::kEscape;
  } else if (byte == '"') {
    if (state_ != State::kColon) return endValue();
    lexeme_ = Lexeme::kNone;
  } else {
    skipPlainString();
  }
  return Step::kTaken;
}

// Most bytes of long messages are here: stops on the last plain byte that is there and within the bound.
void Framer::skipPlainString() {
  const std::size_t end = std::min(buffer_.size(), begin_ + limits_.bytes + 1);
  while (at_ + 1 < end) {
    const char byte = buffer_[at_ + 1];
    if (byte == '"' || byte == '\\' || static_cast<unsigned char>(byte) < 0x20 || byte == kReset) break;
    ++at_;
  }
}

Framer::Step Framer::scan(char byte) {
  if (lexeme_ == Lexeme::kString || lexeme_ == Lexeme::kEscape) return scanString(byte);
  if (lexeme_ == Lexeme::kWord) {
    if (isWordByte(byte)) return Step::kTaken;
    if (endValue() == Step::kComplete) return Step::kBefore;
  }
  if (isSpace(byte)) return Step::kTaken;
  if (isWordByte(byte) || byte == '"') {
    const bool key = byte == '"' && (state_ == State::kFirstKey || state_ == State::kKey);
    if (!key && !mayBeginValue()) return Step::kBroken;
    ++tokens_;
    lexeme_ = byte == '"' ? Lexeme::kString : Lexeme::kWord;
    state_ = key ? State::kColon : State::kValue;
    return Step::kTaken;
  }
  switch (byte) {
    case '{':
      return openBracket(true);
    case '[':
      return openBracket(false);
    case '}':
      return closeBracket(true);
    case ']':
      return closeBracket(false);
    case ':':
      if (state_ != State::kColon) return Step::kBroken;
      ++tokens_;
      state_ = State::kValue;
      return Step::kTaken;
    case ',':
      if (state_ != State::kAfterValue || depth_ == 0) return Step::kBroken;
      ++tokens_;
      state_ = objects_.back() ? State::kKey : State::kValue;
      return Step::kTaken;
    default:
      return Step::kBroken;
  }
}

}  // namespace rhea::json
