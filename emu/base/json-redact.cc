// Writing JSON back without its secrets, for the audit log; see json-type.h.
#include "emu/base/json-type.h"

namespace rhea::json {

namespace {

constexpr std::string_view kHidden = "(secret)";

// The member's row in the type or in the branch that the object's discriminator chooses.
const MemberInfo* memberOf(const TypeInfo& type, View object, std::string_view name) {
  if (type.kind == TypeKind::kBox) return memberOf(*type.element, object, name);
  const auto found = std::ranges::find(type.members, name, &MemberInfo::name);
  if (found != type.members.end()) return &*found;
  if (type.kind != TypeKind::kUnion) return nullptr;
  const MemberInfo& tag = type.members[type.discriminator];
  const std::optional<View> chosen = object.find(tag.name);
  if (!chosen || !chosen->isString()) return nullptr;
  const auto value = std::ranges::find(tag.type->values, chosen->asString());
  if (value == tag.type->values.end()) return nullptr;
  const BranchInfo& branch = type.branches[static_cast<std::size_t>(value - tag.type->values.begin())];
  return branch.type == nullptr ? nullptr : memberOf(*branch.type, object, name);
}

const TypeInfo* objectBranch(const TypeInfo& type) {
  for (const BranchInfo& branch : type.branches) {
    const TypeInfo& inner = branch.type->kind == TypeKind::kBox ? *branch.type->element : *branch.type;
    if (inner.kind == TypeKind::kStruct || inner.kind == TypeKind::kUnion) return &inner;
  }
  return nullptr;
}

// Of options that are not typed and may hold a secret: the keys, the switches, and what object they are about.
void writeShape(View object, Writer& to) {
  to.beginObject();
  for (const Member& member : object.members()) {
    to.key(member.key);
    const bool tells = member.value.kind() == Kind::kBool || member.key == "id" || member.key == "qom-type";
    tells ? to.value(member.value) : to.string(kHidden);
  }
  to.endObject();
}

void write(const TypeInfo* type, View value, Writer& to) {
  while (type != nullptr && (type->kind == TypeKind::kBox || type->kind == TypeKind::kAlternate)) {
    type = type->kind == TypeKind::kBox ? type->element : objectBranch(*type);
  }
  if (type != nullptr && value.isArray() && type->kind == TypeKind::kList) {
    to.beginArray();
    for (const View item : value.items()) write(type->element, item, to);
    return to.endArray();
  }
  if (type == nullptr || !value.isObject() || (type->kind != TypeKind::kStruct && type->kind != TypeKind::kUnion)) {
    return to.value(value);
  }
  to.beginObject();
  for (const Member& given : value.members()) {
    to.key(given.key);
    const MemberInfo* member = memberOf(*type, value, given.key);
    if (member != nullptr && member->secret) {
      given.value.isObject() && member->type->kind == TypeKind::kAny ? writeShape(given.value, to) : to.string(kHidden);
    } else {
      write(member == nullptr ? nullptr : member->type, given.value, to);
    }
  }
  to.endObject();
}

}  // namespace

Text redacted(const TypeInfo& type, View value) {
  Writer writer;
  write(&type, value, writer);
  return writer.take();
}

}  // namespace rhea::json
