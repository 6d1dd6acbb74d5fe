// Writing JSON straight into one string.
//
//   json::Writer writer;
//   writer.beginObject();
//   writer.key("return");
//   writer.raw(reply);
//   writer.endObject();
//   json::Text text = writer.take();
//
// Text on one line has a space behind ':' and ',', as scripts that search replies expect; kPretty indents by four. The
// caller keeps begin and end in balance. Bytes of a string that are not UTF-8 become U+FFFD: what is written can be
// read.
#pragma once

#include "emu/base/json.h"

namespace rhea::json {

class Writer {
 public:
  enum class Style : std::uint8_t { kLine, kPretty };

  explicit Writer(Style style = Style::kLine) : style_(style) {}

  void beginObject() { open('{'); }
  void endObject() { close('}'); }
  void beginArray() { open('['); }
  void endArray() { close(']'); }
  void key(std::string_view name);

  void string(std::string_view value);
  void integer(std::int64_t value);
  void unsignedInteger(std::uint64_t value);
  void number(double value);  // what JSON has no number for (infinity, not a number) becomes null
  void boolean(bool value);
  void null();
  void value(View value);           // a parsed value, written back
  void raw(std::string_view text);  // one complete value, already on one line; pretty writing indents it anew

  // key and value in one.
  void member(std::string_view name, std::string_view value) { key(name), string(value); }
  void member(std::string_view name, const char* value) { key(name), string(value); }
  void member(std::string_view name, bool value) { key(name), boolean(value); }
  template <std::signed_integral T>
  void member(std::string_view name, T value) {
    key(name), integer(value);
  }
  template <std::unsigned_integral T>
  void member(std::string_view name, T value) {
    key(name), unsignedInteger(value);
  }

  std::size_t size() const { return text_.size(); }
  Text take() { return std::move(text_); }

 private:
  void beforeValue();
  void open(char bracket);
  void close(char bracket);
  void newLine();

  Text text_;
  std::size_t depth_ = 0;
  Style style_;
  bool first_ = true;  // nothing yet in the innermost container
  bool afterKey_ = false;
};

// Appends `text` as a JSON string with its quotes.
void appendQuoted(std::string& to, std::string_view text);

// The same value, indented by four spaces.
Text pretty(View value);

}  // namespace rhea::json
