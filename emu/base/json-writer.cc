#include "emu/base/json-writer.h"

#include <rapidjson/internal/dtoa.h>
#include <rapidjson/internal/itoa.h>

#include <cmath>

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

// Length of the well-formed UTF-8 sequence at the start of `text` (Unicode 15, table 3-7), 0 where there is none.
std::size_t sequenceLength(std::string_view text) {
  const auto byte = [&text](std::size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U; };
  const auto isTail = [&byte](std::size_t at) { return (byte(at) & 0xC0U) == 0x80U; };
  const unsigned lead = byte(0);
  if (lead < 0xC2) return 0;
  if (lead < 0xE0) return isTail(1) ? 2 : 0;
  if (lead < 0xF0) {
    const unsigned low = lead == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = lead == 0xED ? 0x9F : 0xBF;
    return byte(1) >= low && byte(1) <= high && isTail(2) ? 3 : 0;
  }
  if (lead > 0xF4) return 0;
  const unsigned low = lead == 0xF0 ? 0x90 : 0x80;
  const unsigned high = lead == 0xF4 ? 0x8F : 0xBF;
  return byte(1) >= low && byte(1) <= high && isTail(2) && isTail(3) ? 4 : 0;
}

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
      if (const std::size_t length = sequenceLength(text.substr(at)); length > 0) {
        at += length;
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
