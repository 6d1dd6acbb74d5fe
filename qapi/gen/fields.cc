#include "qapi/gen/fields.h"

#include "emu/base/names.h"

namespace rhea::gen {

Place below(const Place& place, std::string_view step, std::size_t offset) {
  Place inner = place;
  inner.offset = offset;
  if (!inner.path.empty() && inner.path.back() != ' ') inner.path += inner.path.ends_with(':') ? " " : ".";
  inner.path += step;
  return inner;
}

Fields::~Fields() {
  if (!object_.isObject()) return;
  for (const json::Member& member : object_.members()) {
    if (std::ranges::find(known_, member.key) != known_.end()) continue;
    const std::vector<std::string> near = nearestNames(member.key, known_);
    complaints_.add(below(place_, member.key, member.keyOffset),
                    near.empty() ? "this key is not known here"
                                 : fmt::format("this key is not known here; did you mean '{}'?", near.front()));
  }
}

Place Fields::at(std::string_view key) const {
  const std::optional<json::View> value = object_.find(key);
  return below(place_, key, value ? value->offset() : place_.offset);
}

std::optional<json::View> Fields::find(std::string_view key) {
  known_.push_back(key);
  return object_.find(key);
}

std::string Fields::optionalText(std::string_view key) {
  const std::optional<json::View> value = find(key);
  if (!value) return {};
  if (value->isString()) return std::string(value->asString());
  complaints_.add(at(key), fmt::format("expected a string, found {}", json::describe(value->kind())));
  return {};
}

std::string Fields::text(std::string_view key) {
  std::string value = optionalText(key);
  if (!object_.find(key)) {
    complain(fmt::format("'{}' is missing", key));
  } else if (value.empty() && object_.find(key)->isString()) {
    complaints_.add(at(key), "it is empty");
  }
  return value;
}

bool Fields::flag(std::string_view key) {
  const std::optional<json::View> value = find(key);
  if (!value) return false;
  if (value->kind() == json::Kind::kBool) return value->asBool();
  complaints_.add(at(key), fmt::format("expected true or false, found {}", json::describe(value->kind())));
  return false;
}

std::int64_t Fields::number(std::string_view key) {
  const std::optional<json::View> value = find(key);
  if (!value) return 0;
  if (value->kind() == json::Kind::kInt64 && value->asInt64() > 0) return value->asInt64();
  complaints_.add(at(key), "expected a whole number above 0");
  return 0;
}

std::vector<std::string> Fields::texts(std::string_view key) {
  std::vector<std::string> result;
  const std::optional<json::View> value = find(key);
  if (!value) return result;
  if (!value->isArray()) complaints_.add(at(key), "expected an array of strings");
  for (const json::View item : value->items()) {
    if (item.isString()) {
      result.emplace_back(item.asString());
    } else {
      complaints_.add(at(key), fmt::format("expected a string, found {}", json::describe(item.kind())));
    }
  }
  return result;
}

}  // namespace rhea::gen
