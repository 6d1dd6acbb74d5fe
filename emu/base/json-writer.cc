#include "emu/base/json-writer.h"

#include <rapidjson/internal/dtoa.h>
#include <rapidjson/internal/itoa.h>

#include <cmath>

#include "emu/base/visible-text.h"

namespace rhea::json {

namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// 0: as it is; 'u': \u00XX; 'x': look at the UTF-8 sequence; else the letter behind the backslash.
constexpr std::array<char, 256> kEscape = [] {
  std::array<char, 256> table{};
  for (std::size_t byte = 0; byte < 0x20; ++byte) table[byte] = 'u';
  for (std::size_t byte = 0x80; byte < 0x100; ++byte) table[byte] = 'x';
  table[0x7F] = 'u';
  table['"'] = '"';
  table['\\'] = '\\';
  table['\b'] = 'b';
  table['\f'] = 'f';
  table['\n'] = 'n';
  table['\r'] = 'r';
  table['\t'] = 't';
  return table;
}();

}  // namespace

void appendQuoted(std::string& to, std::string_view text) {
  to += '"';
  std::size_t plain = 0;  // start of the bytes not yet copied
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const char escape = kEscape[byte];
    if (escape == 0) {
      ++at;
      continue;
    }
    if (escape == 'x') {
      const std::size_t length = utf8Length(text.substr(at));
      // The controls from U+0080 to U+009F: what is printed raw may reach a terminal.
      const bool control = length == 2 && byte == 0xC2 && static_cast<unsigned char>(text[at + 1]) < 0xA0;
      if (length > 0 && !control) {
        at += length;
        continue;
      }
      if (control) {
        to.append(text, plain, at - plain);
        const auto low = static_cast<unsigned char>(text[at + 1]);
        to.append({'\\', 'u', '0', '0', kHexDigits[low >> 4], kHexDigits[low & 15]});
        plain = at += 2;
        continue;
      }
    }
    to.append(text, plain, at - plain);
    plain = ++at;
    if (escape == 'x') {
      to += kReplacement;
    } else if (escape == 'u') {
      to += "\\u00";
      to += kHexDigits[byte >> 4];
      to += kHexDigits[byte & 15];
    } else {
      to += '\\';
      to += escape;
    }
  }
  to.append(text, plain);
  to += '"';
}

void Writer::newLine() {
  text_ += '\n';
  text_.append(depth_ * 4, ' ');
}

void Writer::beforeValue() {
  if (afterKey_) {
    afterKey_ = false;
    return;
  }
  if (depth_ == 0) return;
  if (!first_) text_ += style_ == Style::kPretty ? "," : ", ";
  if (style_ == Style::kPretty) newLine();
  first_ = false;
}

void Writer::open(char bracket) {
  beforeValue();
  text_ += bracket;
  ++depth_;
  first_ = true;
}

void Writer::close(char bracket) {
  --depth_;
  if (style_ == Style::kPretty && !first_) newLine();
  text_ += bracket;
  first_ = false;
}

void Writer::key(std::string_view name) {
  beforeValue();
  appendQuoted(text_, name);
  text_ += ": ";
  afterKey_ = true;
}

void Writer::string(std::string_view value) {
  beforeValue();
  appendQuoted(text_, value);
}

void Writer::integer(std::int64_t value) {
  beforeValue();
  std::array<char, 24> digits;
  text_.append(digits.data(), rapidjson::internal::i64toa(value, digits.data()));
}

void Writer::unsignedInteger(std::uint64_t value) {
  beforeValue();
  std::array<char, 24> digits;
  text_.append(digits.data(), rapidjson::internal::u64toa(value, digits.data()));
}

void Writer::number(double value) {
  if (!std::isfinite(value)) return null();
  beforeValue();
  std::array<char, 32> digits;
  text_.append(digits.data(), rapidjson::internal::dtoa(value, digits.data()));
}

void Writer::boolean(bool value) {
  beforeValue();
  text_ += value ? "true" : "false";
}

void Writer::null() {
  beforeValue();
  text_ += "null";
}

void Writer::value(View value) {
  switch (value.kind()) {
    case Kind::kNull:
      return null();
    case Kind::kBool:
      return boolean(value.asBool());
    case Kind::kInt64:
    case Kind::kUint64:
    case Kind::kDouble:
      beforeValue();
      text_ += value.numberText();
      return;
    case Kind::kString:
      return string(value.asString());
    case Kind::kArray:
      beginArray();
      for (const View item : value.items()) this->value(item);
      return endArray();
    case Kind::kObject:
      beginObject();
      for (const Member& item : value.members()) {
        key(item.key);
        this->value(item.value);
      }
      return endObject();
  }
}

void Writer::raw(std::string_view text) {
  if (style_ == Style::kPretty) {
    if (const Result<Value> parsed = parse(text)) return value(*parsed);
  }
  beforeValue();
  text_ += text;
}

Text pretty(View value) {
  Writer writer(Writer::Style::kPretty);
  writer.value(value);
  return writer.take();
}

}  // namespace rhea::json
