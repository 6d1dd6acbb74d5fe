#include "emu/base/json-type.h"

namespace rhea::json {

template <>
constinit const TypeInfo TypeOf<std::string>::kInfo{.kind = TypeKind::kStr, .name = "str"};
template <>
constinit const TypeInfo TypeOf<std::int8_t>::kInfo{.kind = TypeKind::kInt8, .name = "int8"};
template <>
constinit const TypeInfo TypeOf<std::int16_t>::kInfo{.kind = TypeKind::kInt16, .name = "int16"};
template <>
constinit const TypeInfo TypeOf<std::int32_t>::kInfo{.kind = TypeKind::kInt32, .name = "int32"};
template <>
constinit const TypeInfo TypeOf<std::int64_t>::kInfo{.kind = TypeKind::kInt64, .name = "int"};
template <>
constinit const TypeInfo TypeOf<std::uint8_t>::kInfo{.kind = TypeKind::kUint8, .name = "uint8"};
template <>
constinit const TypeInfo TypeOf<std::uint16_t>::kInfo{.kind = TypeKind::kUint16, .name = "uint16"};
template <>
constinit const TypeInfo TypeOf<std::uint32_t>::kInfo{.kind = TypeKind::kUint32, .name = "uint32"};
template <>
constinit const TypeInfo TypeOf<std::uint64_t>::kInfo{.kind = TypeKind::kUint64, .name = "uint64"};
template <>
constinit const TypeInfo TypeOf<double>::kInfo{.kind = TypeKind::kNumber, .name = "number"};
template <>
constinit const TypeInfo TypeOf<bool>::kInfo{.kind = TypeKind::kBool, .name = "bool"};
template <>
constinit const TypeInfo TypeOf<std::monostate>::kInfo{.kind = TypeKind::kNull, .name = "null"};
template <>
constinit const TypeInfo TypeOf<Value>::kInfo{.kind = TypeKind::kAny, .name = "any"};
constinit const TypeInfo kSizeInfo{.kind = TypeKind::kSize, .name = "size"};

namespace {

const void* at(const void* base, std::size_t offset) { return static_cast<const char*>(base) + offset; }

std::uint16_t enumValue(const void* from) {
  std::uint16_t value = 0;
  std::memcpy(&value, from, sizeof value);
  return value;
}

void writeMembers(const TypeInfo& type, const void* from, Writer& to) {
  if (type.kind == TypeKind::kBox) return writeMembers(*type.element, type.box->get(from), to);
  for (const MemberInfo& member : type.members) {
    const void* value = at(from, member.offset);
    if (member.optional != nullptr) value = member.optional->get(value);
    if (value == nullptr) continue;
    to.key(member.name);
    writeFrom(*member.type, value, to);
  }
  if (type.kind != TypeKind::kUnion) return;
  const std::size_t tag = enumValue(at(from, type.members[type.discriminator].offset));
  const BranchInfo& branch = type.branches[tag];
  const void* variant = at(from, type.variantOffset);
  // A union whose discriminator was set but not its branch writes no members of the branch.
  if (branch.type != nullptr && type.variant->index(variant) == branch.index) {
    writeMembers(*branch.type, type.variant->get(variant), to);
  }
}

template <class T>
const T& as(const void* from) {
  return *static_cast<const T*>(from);
}

}  // namespace

void writeFrom(const TypeInfo& type, const void* from, Writer& to) {
  switch (type.kind) {
    case TypeKind::kStr:
      return to.string(as<std::string>(from));
    case TypeKind::kInt8:
      return to.integer(as<std::int8_t>(from));
    case TypeKind::kInt16:
      return to.integer(as<std::int16_t>(from));
    case TypeKind::kInt32:
      return to.integer(as<std::int32_t>(from));
    case TypeKind::kInt64:
      return to.integer(as<std::int64_t>(from));
    case TypeKind::kUint8:
      return to.unsignedInteger(as<std::uint8_t>(from));
    case TypeKind::kUint16:
      return to.unsignedInteger(as<std::uint16_t>(from));
    case TypeKind::kUint32:
      return to.unsignedInteger(as<std::uint32_t>(from));
    case TypeKind::kUint64:
    case TypeKind::kSize:
      return to.unsignedInteger(as<std::uint64_t>(from));
    case TypeKind::kNumber:
      return to.number(as<double>(from));
    case TypeKind::kBool:
      return to.boolean(as<bool>(from));
    case TypeKind::kNull:
      return to.null();
    case TypeKind::kAny:
      return to.value(as<Value>(from));
    case TypeKind::kEnum:
      return to.string(type.values[enumValue(from)]);
    case TypeKind::kBox:
      return writeFrom(*type.element, type.box->get(from), to);
    case TypeKind::kList: {
      to.beginArray();
      const std::size_t size = type.list->size(from);
      for (std::size_t index = 0; index < size; ++index) writeFrom(*type.element, type.list->at(from, index), to);
      return to.endArray();
    }
    case TypeKind::kStruct:
    case TypeKind::kUnion:
      to.beginObject();
      writeMembers(type, from, to);
      return to.endObject();
    case TypeKind::kAlternate: {
      const void* variant = at(from, type.variantOffset);
      const std::size_t held = type.variant->index(variant);
      for (const BranchInfo& branch : type.branches) {
        if (branch.index == held) return writeFrom(*branch.type, type.variant->get(variant), to);
      }
      return to.null();
    }
  }
}

}  // namespace rhea::json
