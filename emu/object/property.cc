#include "emu/object/property.h"

#include <charconv>

#include "emu/base/json-writer.h"

namespace rhea::object::detail {

namespace {

Error unexpected(json::View value, std::string_view expected) {
  std::string found = value.text();
  constexpr std::size_t kShown = 80;
  if (found.size() > kShown) found = found.substr(0, kShown) + "...";
  return Error(fmt::format("expected {}, found {}", expected, found)).expected(std::string(expected));
}

bool isText(json::View value, ValueForm form) { return form == ValueForm::kText && value.isString(); }

template <class Number>
std::optional<Number> parseNumber(std::string_view text) {
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  }
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

Result<bool> readValue(json::View value, ValueForm form, std::type_identity<bool>) {
  if (value.kind() == json::Kind::kBool) return value.asBool();
  if (isText(value, form)) {
    const std::string_view text = value.asString();
    if (text == "on" || text == "yes" || text == "true") return true;
    if (text == "off" || text == "no" || text == "false") return false;
    return unexpected(value, "on or off");
  }
  return unexpected(value, "a boolean");
}

Result<std::int64_t> readValue(json::View value, ValueForm form, std::type_identity<std::int64_t>) {
  if (value.kind() == json::Kind::kInt64) return value.asInt64();
  if (isText(value, form)) {
    if (const auto number = parseNumber<std::int64_t>(value.asString())) return *number;
  }
  return unexpected(value, "an integer");
}

Result<std::string> readValue(json::View value, ValueForm form, std::type_identity<std::string>) {
  if (value.isString()) return std::string(value.asString());
  if (form == ValueForm::kText && value.kind() == json::Kind::kBool) {
    return unexpected(value, "a value: key=value, where only the key was given");
  }
  return unexpected(value, "a string");
}

Result<Size> readValue(json::View value, ValueForm form, std::type_identity<Size>) {
  if (value.kind() == json::Kind::kInt64 && value.asInt64() >= 0)
    return Size{static_cast<std::uint64_t>(value.asInt64())};
  if (value.kind() == json::Kind::kUint64) return Size{value.asUint64()};
  constexpr std::string_view kExpected = "a size in bytes, which may end in k, M, G, T, P or E";
  if (!isText(value, form)) return unexpected(value, "a size in bytes");
  std::string_view text = value.asString();
  constexpr std::string_view kSuffixes = "BKMGTPE";
  unsigned shift = 0;
  if (!text.empty() && !text.starts_with("0x")) {
    const char last = static_cast<char>(text.back() >= 'a' ? text.back() - 'a' + 'A' : text.back());
    if (const std::size_t found = kSuffixes.find(last); found != std::string_view::npos) {
      shift = static_cast<unsigned>(found) * 10;
      text.remove_suffix(1);
    }
  }
  const auto number = parseNumber<std::uint64_t>(text);
  if (!number || *number > (UINT64_MAX >> shift)) return unexpected(value, kExpected);
  return Size{*number << shift};
}

json::Text writeValue(bool value) { return value ? "true" : "false"; }
json::Text writeValue(std::int64_t value) { return std::to_string(value); }
json::Text writeValue(Size value) { return std::to_string(value.bytes); }
json::Text writeValue(const std::string& value) {
  json::Text text;
  json::appendQuoted(text, value);
  return text;
}

}  // namespace rhea::object::detail
