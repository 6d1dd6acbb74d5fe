#include "qapi/gen/keys.h"

namespace rhea::gen {

namespace {

std::vector<std::string> namesOf(const Entry& entry) {
  std::vector<std::string> names;
  for (const EnumValue& value : entry.values) names.push_back(value.name);
  return names;
}

std::vector<std::string> switchNames() { return {"on", "off"}; }

bool isObject(const Entry& entry) { return entry.kind == EntryKind::kStruct || entry.kind == EntryKind::kUnion; }

}  // namespace

void Keys::add(std::string name, std::vector<std::string> values) {
  if (std::ranges::find(keys_, name, &Key::name) != keys_.end()) return;
  keys_.push_back({std::move(name), std::move(values)});
}

void Keys::addOption(const Entry& option) {
  for (const Parameter& parameter : option.parameters) {
    add(parameter.name, parameter.type == "boolean" ? switchNames() : parameter.values);
  }
  if (option.optionType.entry != nullptr) addType(*option.optionType.entry);
}

void Keys::addType(const Entry& type, const std::string& prefix, int depth) {
  for (const Member* member : allMembers(type)) addMember(*member, prefix + member->name, depth);
  if (type.kind != EntryKind::kUnion) return;
  for (const Branch& branch : type.branches) {
    if (branch.type.entry != nullptr && !branch.type.list) addType(*branch.type.entry, prefix, depth);
  }
}

void Keys::addMember(const Member& member, const std::string& name, int depth) {
  if (member.type.list) return;
  const Entry* type = member.type.entry;
  if (type == nullptr) return add(name, member.type.name == "bool" ? switchNames() : std::vector<std::string>());
  if (type->kind == EntryKind::kEnum) return add(name, namesOf(*type));
  if (type->kind != EntryKind::kAlternate) {
    if (depth > 0) addType(*type, name + ".", depth - 1);
    return;
  }
  add(name, {});  // a name
  for (const Branch& branch : type->branches) {
    if (branch.type.entry == nullptr || branch.type.list || depth == 0 || !isObject(*branch.type.entry)) continue;
    addType(*branch.type.entry, name + ".", depth - 1);
  }
}

}  // namespace rhea::gen
