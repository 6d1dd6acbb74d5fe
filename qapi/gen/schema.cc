#include "qapi/gen/schema.h"

namespace rhea::gen {

namespace {

constexpr Builtin kBuiltins[] = {
    {"str", "std::string", "json::TypeOf<std::string>::kInfo", "string", "str"},
    {"int", "std::int64_t", "json::TypeOf<std::int64_t>::kInfo", "int", "int"},
    {"int8", "std::int8_t", "json::TypeOf<std::int8_t>::kInfo", "int", "int"},
    {"int16", "std::int16_t", "json::TypeOf<std::int16_t>::kInfo", "int", "int"},
    {"int32", "std::int32_t", "json::TypeOf<std::int32_t>::kInfo", "int", "int"},
    {"int64", "std::int64_t", "json::TypeOf<std::int64_t>::kInfo", "int", "int"},
    {"uint8", "std::uint8_t", "json::TypeOf<std::uint8_t>::kInfo", "int", "int"},
    {"uint16", "std::uint16_t", "json::TypeOf<std::uint16_t>::kInfo", "int", "int"},
    {"uint32", "std::uint32_t", "json::TypeOf<std::uint32_t>::kInfo", "int", "int"},
    {"uint64", "std::uint64_t", "json::TypeOf<std::uint64_t>::kInfo", "int", "int"},
    {"size", "std::uint64_t", "json::kSizeInfo", "int", "int"},
    {"number", "double", "json::TypeOf<double>::kInfo", "number", "number"},
    {"bool", "bool", "json::TypeOf<bool>::kInfo", "boolean", "bool"},
    {"null", "std::monostate", "json::TypeOf<std::monostate>::kInfo", "null", "null"},
    {"any", "json::Value", "json::TypeOf<json::Value>::kInfo", "value", "any"},
};

}  // namespace

std::span<const Builtin> builtins() { return kBuiltins; }

const Builtin* findBuiltin(std::string_view name) {
  const auto found = std::ranges::find(kBuiltins, name, &Builtin::name);
  return found == std::end(kBuiltins) ? nullptr : &*found;
}

std::vector<const Entry*> Schema::all(EntryKind kind) const {
  std::vector<const Entry*> found;
  for (const auto& file : files) {
    for (const auto& entry : file->entries) {
      if (entry->kind == kind) found.push_back(entry.get());
    }
  }
  return found;
}

std::vector<const Member*> allMembers(const Entry& entry) {
  std::vector<const Member*> members;
  if (entry.base.entry != nullptr) members = allMembers(*entry.base.entry);
  for (const Member& member : entry.members) members.push_back(&member);
  return members;
}

const Entry* dataType(const Entry& entry) {
  if (entry.isType()) return &entry;
  if (entry.base.entry != nullptr) return entry.base.entry;
  return entry.members.empty() ? nullptr : &entry;
}

void Complaints::add(const Place& place, std::string message) {
  if (place.file == nullptr) return add(std::move(message));
  const std::string_view before = std::string_view(place.file->text).substr(0, place.offset);
  const auto line = std::ranges::count(before, '\n') + 1;
  std::string_view path = place.path;
  if (path.ends_with(':')) path.remove_suffix(1);  // nothing stands behind the entry's name
  messages_.push_back(fmt::format("{}:{}: {}{}{}", place.file->name, line, path, path.empty() ? "" : ": ", message));
}

}  // namespace rhea::gen
