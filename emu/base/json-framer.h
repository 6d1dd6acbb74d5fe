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

#include "emu/base/json.h"

namespace rhea::json {

class Framer {
 public:
  explicit Framer(const Limits& limits = {}) : limits_(limits) {}

  void feed(std::string_view bytes);
  // The next message or its error; nothing while it is incomplete.
  std::optional<Result<Value>> next();
  // The stream ended: the error for an unfinished message, or its value where only its end was open (a bare number).
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
  Result<Value> take();
  Error broken() const;
  std::optional<Error> overBound();

  Limits limits_;
  std::string buffer_;
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
