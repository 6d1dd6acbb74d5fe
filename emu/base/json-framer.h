// Finds complete JSON values in a stream of bytes that arrives in any split; no newline is needed between them.
//
//   framer.feed(bytes);
//   while (std::optional<Result<json::Value>> message = framer.next()) { ... }
//
// The bounds of json::Limits hold while scanning, so that memory is bounded by the limit plus what one feed() adds.
// Scanning follows the grammar (strings, brackets, commas, colons), each byte once; it costs linear time in any split.
//
// A message that is broken or over a bound gives one error; then bytes are discarded until the next message starts.
// That is the first of:
//  * behind a byte 0xFF, by which a client asks for a reset at any time (bytes of an unfinished message before it are
//    told as an error; between messages it is silent);
//  * a '{' or '[' that is the first byte of a line and cannot belong to the message (what follows an object that was
//    never closed is not swallowed);
//  * behind the bracket that closes what the message had opened, at the next '{', '[' or newline.
// A message that is only too big or too deep is followed to its end by the same scan.
#pragma once

#include "emu/base/byte-queue.h"
#include "emu/base/json.h"

namespace rhea::json {

// A message that the scan has found, or why there is none. Parsing costs some 8 ns a byte, so who must not wait parses
// long ones elsewhere.
class Frame {
 public:
  // Bytes that parse() goes through; 0 where the error is known already.
  std::size_t size() const { return text_.size(); }
  // Keeps it valid beyond the framer's next feed(); long ones are so from the start.
  void keep();
  // Any thread.
  Result<Value> parse() const;

 private:
  friend class Framer;
  explicit Frame(const Limits& limits) : limits_(limits) {}
  explicit Frame(Error error) : error_(std::move(error)) {}

  Limits limits_;
  std::string_view text_;
  Memory memory_;                        // what text_ is in; none: in the framer
  std::optional<std::size_t> brokenAt_;  // the scan met a byte that cannot stand there
  std::optional<Error> error_;
};

class Framer {
 public:
  explicit Framer(const Limits& limits = {}) : limits_(limits) {}

  void feed(std::string_view bytes);
  // The next message or its error; nothing while it is incomplete. Valid until the next feed().
  std::optional<Frame> nextFrame();
  // The same, parsed.
  std::optional<Result<Value>> next();
  // The stream ended: the error for an unfinished message, or its value where only its end was open (a bare number).
  std::optional<Frame> finishFrame();
  std::optional<Result<Value>> finish();

  // Bytes held: of the message that is incomplete, and those behind it that next() was not asked for yet.
  std::size_t held() const { return buffer_.size() - begin_; }

 private:
  enum class State : std::uint8_t {
    kBetween,     // no message begun
    kValue,       // a value must come
    kFirstItem,   // behind '[': a value or ']'
    kFirstKey,    // behind '{': a key or '}'
    kKey,         // behind ',' in an object
    kColon,       // behind a key
    kAfterValue,  // ',' or a closing bracket
  };
  enum class Lexeme : std::uint8_t { kNone, kString, kEscape, kWord };
  enum class Step : std::uint8_t {
    kTaken,     // the byte belongs to the message, which goes on
    kComplete,  // the byte ends the message
    kBefore,    // the message ended before this byte
    kBroken,    // the byte cannot stand here
  };
  enum class Discard : std::uint8_t {
    kNo,
    kToEnd,   // over a bound, but the grammar holds: followed to its end
    kBroken,  // only brackets and strings are followed
  };

  Step scan(char byte);
  Step scanString(char byte);
  Step openBracket(bool object);
  Step closeBracket(bool object);
  Step endValue();
  bool mayBeginValue() const;
  void skipPlainString();
  void discardByte(char byte);
  void restart(std::size_t at);
  std::optional<Error> reset();
  Frame take();
  Frame broken();
  Frame cut(std::size_t end);
  std::optional<Error> overBound();

  Limits limits_;
  ByteQueue buffer_;
  std::size_t begin_ = 0;  // of the message in buffer_
  std::size_t at_ = 0;     // next byte to scan

  State state_ = State::kBetween;
  Lexeme lexeme_ = Lexeme::kNone;
  Discard discard_ = Discard::kNo;
  bool lineStart_ = true;  // the byte before at_ was a newline
  std::size_t depth_ = 0;
  std::size_t tokens_ = 0;
  std::vector<bool> objects_;  // per open bracket: is it an object? Not kept while discarding what is broken
};

}  // namespace rhea::json
