// Reading by table; see json-type.h.
#include <charconv>

#include "emu/base/json-type.h"
#include "emu/base/names.h"
#include "emu/base/size.h"

namespace rhea::json {

namespace {

void* at(void* base, std::size_t offset) { return static_cast<char*>(base) + offset; }

std::string shown(const Path& path) {
  const std::string text = path.render();
  return text.empty() ? "the value" : fmt::format("'{}'", text);
}

// "the string \"10G\"", "an array": what was found, shortened.
std::string found(View value) {
  constexpr std::size_t kShown = 40;
  switch (value.kind()) {
    case Kind::kString: {
      std::string text;
      appendQuoted(text, value.asString().substr(0, kShown));
      return fmt::format("the string {}{}", text, value.asString().size() > kShown ? "..." : "");
    }
    case Kind::kBool:
      return value.asBool() ? "true" : "false";
    case Kind::kInt64:
    case Kind::kUint64:
    case Kind::kDouble:
      return fmt::format("the number {}", value.numberText().substr(0, kShown));
    default:
      return std::string(describe(value.kind()));
  }
}

Error wrong(View value, const Path& path, std::string_view expected) {
  return Error(fmt::format("{} must be {}, not {}", shown(path), expected, found(value)))
      .where(path.render())
      .expected(std::string(expected));
}

// All names, those nearest to `typed` first; `nearest` says how many are near.
struct Ranked {
  std::vector<std::string> names;
  std::size_t nearest = 0;
};

Ranked ranked(std::string_view typed, std::span<const std::string_view> known) {
  Ranked result{nearestNames(typed, known), 0};
  result.nearest = result.names.size();
  for (const std::string_view name : known) {
    if (std::ranges::find(result.names, name) == result.names.end()) result.names.emplace_back(name);
  }
  return result;
}

// "a, b, c", the first few.
template <class Names>
std::string listed(const Names& names) {
  constexpr std::size_t kListed = 16;
  std::string list;
  for (std::size_t index = 0; index < names.size() && index < kListed; ++index) {
    list.append(index == 0 ? "" : ", ").append(names[index]);
  }
  return names.size() > kListed ? list + ", ..." : list;
}

// "; did you mean 'device'?" or "; there is: a, b, c".
std::string advice(const Ranked& names) {
  if (names.names.empty()) return "";
  if (names.nearest > 0) return fmt::format("; did you mean '{}'?", names.names.front());
  return fmt::format("; there is: {}", listed(names.names));
}

class Reader {
 public:
  explicit Reader(Spelling spelling) : spelling_(spelling) {}

  Result<void> read(const TypeInfo& type, void* to, View from, const Path& path) {
    switch (type.kind) {
      case TypeKind::kStr:
        if (!from.isString()) return wrong(from, path, "a string");
        static_cast<std::string*>(to)->assign(from.asString());
        return success();
      case TypeKind::kInt8:
        return readSigned<std::int8_t>(to, from, path);
      case TypeKind::kInt16:
        return readSigned<std::int16_t>(to, from, path);
      case TypeKind::kInt32:
        return readSigned<std::int32_t>(to, from, path);
      case TypeKind::kInt64:
        return readSigned<std::int64_t>(to, from, path);
      case TypeKind::kUint8:
        return readUnsigned<std::uint8_t>(to, from, path);
      case TypeKind::kUint16:
        return readUnsigned<std::uint16_t>(to, from, path);
      case TypeKind::kUint32:
        return readUnsigned<std::uint32_t>(to, from, path);
      case TypeKind::kUint64:
        return readUnsigned<std::uint64_t>(to, from, path);
      case TypeKind::kSize:
        return readSize(to, from, path);
      case TypeKind::kNumber:
        return readNumber(to, from, path);
      case TypeKind::kBool:
        return readBool(to, from, path);
      case TypeKind::kNull:
        return from.isNull() ? success() : wrong(from, path, "null");
      case TypeKind::kAny:
        *static_cast<Value*>(to) = Value(from);
        return success();
      case TypeKind::kEnum:
        return readEnum(type, to, from, path);
      case TypeKind::kList:
        return readList(type, to, from, path);
      case TypeKind::kBox:
        return read(*type.element, type.box->make(to), from, path);
      case TypeKind::kStruct:
      case TypeKind::kUnion:
        return readObject(type, to, from, path);
      case TypeKind::kAlternate:
        return readAlternate(type, to, from, path);
    }
    return success();
  }

 private:
  // A member that may stand in the object, and where it goes.
  struct Slot {
    const MemberInfo* member;
    void* base;
    bool seen;
  };

  bool typed(View from) const { return spelling_ == Spelling::kKeyval && from.isString(); }

  template <class T>
  static bool parseWhole(std::string_view text, T& number) {
    const bool hex = text.starts_with("0x") || text.starts_with("0X");
    if (hex) text.remove_prefix(2);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, hex ? 16 : 10);
    return error == std::errc() && end == text.data() + text.size() && !text.empty();
  }

  template <class T>
  static std::string range() {
    constexpr auto kWidest = std::is_signed_v<T> ? std::numeric_limits<std::int64_t>::max() : 0;
    if (std::is_signed_v<T> && static_cast<std::int64_t>(std::numeric_limits<T>::max()) == kWidest) return "an integer";
    return fmt::format("an integer between {} and {}", std::numeric_limits<T>::min(), std::numeric_limits<T>::max());
  }

  template <class T>
  Result<void> readSigned(void* to, View from, const Path& path) const {
    T& value = *static_cast<T*>(to);
    if (typed(from)) return parseWhole(from.asString(), value) ? success() : wrong(from, path, range<T>());
    if (from.kind() != Kind::kInt64 || !std::in_range<T>(from.asInt64())) return wrong(from, path, range<T>());
    value = static_cast<T>(from.asInt64());
    return success();
  }

  template <class T>
  Result<void> readUnsigned(void* to, View from, const Path& path) const {
    T& value = *static_cast<T*>(to);
    if (typed(from)) return parseWhole(from.asString(), value) ? success() : wrong(from, path, range<T>());
    if (from.kind() == Kind::kInt64 && std::in_range<T>(from.asInt64())) {
      value = static_cast<T>(from.asInt64());
    } else if (from.kind() == Kind::kUint64 && std::in_range<T>(from.asUint64())) {
      value = static_cast<T>(from.asUint64());
    } else {
      return wrong(from, path, range<T>());
    }
    return success();
  }

  Result<void> readSize(void* to, View from, const Path& path) const {
    if (!from.isString()) {
      if (Result<void> number = readUnsigned<std::uint64_t>(to, from, path); number.ok()) return number;
      return wrong(from, path, "a size in bytes");
    }
    const Result<std::uint64_t> size = parseSize(from.asString());
    if (!typed(from)) {
      Error error = wrong(from, path, "a size in bytes, as a number");
      if (size.ok()) return std::move(error).hint(fmt::format("write {}", *size));
      return error;
    }
    if (!size.ok()) return wrong(from, path, "a size in bytes, or with a unit such as 512M");
    *static_cast<std::uint64_t*>(to) = *size;
    return success();
  }

  Result<void> readNumber(void* to, View from, const Path& path) const {
    double& value = *static_cast<double*>(to);
    if (typed(from)) {
      const std::string_view text = from.asString();
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
      return error == std::errc() && end == text.data() + text.size() ? success() : wrong(from, path, "a number");
    }
    if (!from.isNumber()) return wrong(from, path, "a number");
    value = from.asDouble();
    return success();
  }

  Result<void> readBool(void* to, View from, const Path& path) const {
    if (typed(from)) {
      const std::string_view text = from.asString();
      const bool yes = text == "on" || text == "yes" || text == "true" || text == "y";
      if (!yes && text != "off" && text != "no" && text != "false" && text != "n") {
        return wrong(from, path, "on or off");
      }
      *static_cast<bool*>(to) = yes;
      return success();
    }
    if (from.kind() != Kind::kBool) return wrong(from, path, "a boolean");
    *static_cast<bool*>(to) = from.asBool();
    return success();
  }

  static Result<void> readEnum(const TypeInfo& type, void* to, View from, const Path& path) {
    if (!from.isString()) return wrong(from, path, "a string, one of " + listed(type.values));
    const auto at = std::ranges::find(type.values, from.asString());
    if (at != type.values.end()) {
      const auto value = static_cast<std::uint16_t>(at - type.values.begin());
      std::memcpy(to, &value, sizeof value);
      return success();
    }
    Ranked names = ranked(from.asString(), type.values);
    const std::string advised = advice(names);
    return Error(fmt::format("{} does not take {}{}", shown(path), found(from), advised))
        .where(path.render())
        .expected(fmt::format("a value of {}", type.name))
        .candidates(std::move(names.names));
  }

  Result<void> readList(const TypeInfo& type, void* to, View from, const Path& path) {
    if (!from.isArray()) return wrong(from, path, "an array");
    std::size_t index = 0;
    for (const View item : from.items()) {
      RHEA_CHECK(read(*type.element, type.list->append(to), item, path.item(index)));
      ++index;
    }
    return success();
  }

  // What a person typed is text; it is the alternate's string, or else the first branch that it can be read as.
  Result<void> readTypedAlternate(const TypeInfo& type, void* to, View from, const Path& path) {
    void* variant = at(to, type.variantOffset);
    for (const BranchInfo& branch : type.branches) {
      if (branch.type->kind == TypeKind::kStr) {
        return read(*branch.type, type.variant->emplace(variant, branch.index), from, path);
      }
    }
    for (const BranchInfo& branch : type.branches) {
      if (read(*branch.type, type.variant->emplace(variant, branch.index), from, path).ok()) return success();
    }
    return wrong(from, path, expectedBy(type));
  }

  Result<void> readAlternate(const TypeInfo& type, void* to, View from, const Path& path) {
    if (typed(from)) return readTypedAlternate(type, to, from, path);
    for (const BranchInfo& branch : type.branches) {
      if (!fits(*branch.type, from)) continue;
      return read(*branch.type, type.variant->emplace(at(to, type.variantOffset), branch.index), from, path);
    }
    return wrong(from, path, expectedBy(type));
  }

  static bool fits(const TypeInfo& type, View value) {
    switch (type.kind) {
      case TypeKind::kStr:
      case TypeKind::kEnum:
        return value.isString();
      case TypeKind::kNumber:
        return value.isNumber();
      case TypeKind::kBool:
        return value.kind() == Kind::kBool;
      case TypeKind::kNull:
        return value.isNull();
      case TypeKind::kAny:
        return true;
      case TypeKind::kList:
        return value.isArray();
      case TypeKind::kBox:
        return fits(*type.element, value);
      case TypeKind::kStruct:
      case TypeKind::kUnion:
        return value.isObject();
      case TypeKind::kAlternate:
        return std::ranges::any_of(type.branches,
                                   [value](const BranchInfo& branch) { return fits(*branch.type, value); });
      default:
        return value.isInteger();
    }
  }

  static std::string expectedBy(const TypeInfo& type) {
    switch (type.kind) {
      case TypeKind::kStr:
        return "a string";
      case TypeKind::kEnum:
        return "one of " + listed(type.values);
      case TypeKind::kNumber:
        return "a number";
      case TypeKind::kBool:
        return "a boolean";
      case TypeKind::kNull:
        return "null";
      case TypeKind::kSize:
        return "a size in bytes";
      case TypeKind::kAny:
        return "any value";
      case TypeKind::kList:
        return "an array";
      case TypeKind::kBox:
        return expectedBy(*type.element);
      case TypeKind::kStruct:
      case TypeKind::kUnion:
        return "an object";
      case TypeKind::kAlternate: {
        std::string all;
        for (const BranchInfo& branch : type.branches) all += (all.empty() ? "" : " or ") + expectedBy(*branch.type);
        return all;
      }
      default:
        return "an integer";
    }
  }

  // All members that this object may have; a union's discriminator is read first because it decides them.
  Result<void> collect(const TypeInfo& type, void* to, View from, const Path& path, std::vector<Slot>& slots) {
    if (type.kind == TypeKind::kBox) return collect(*type.element, type.box->make(to), from, path, slots);
    for (const MemberInfo& member : type.members) slots.push_back({&member, to, false});
    if (type.kind != TypeKind::kUnion) return success();
    const MemberInfo& tag = type.members[type.discriminator];
    const std::optional<View> value = from.find(tag.name);
    if (!value) return missing(tag, path);
    RHEA_CHECK(read(*tag.type, at(to, tag.offset), *value, path.member(tag.name)));
    std::uint16_t chosen = 0;
    std::memcpy(&chosen, at(to, tag.offset), sizeof chosen);
    const BranchInfo& branch = type.branches[chosen];
    if (branch.type == nullptr) return success();
    void* held = type.variant->emplace(at(to, type.variantOffset), branch.index);
    return collect(*branch.type, held, from, path, slots);
  }

  Result<void> readObject(const TypeInfo& type, void* to, View from, const Path& path) {
    if (!from.isObject()) return wrong(from, path, "an object");
    std::vector<Slot> slots;
    slots.reserve(type.members.size() + (type.kind == TypeKind::kUnion ? 16 : 0));
    RHEA_CHECK(collect(type, to, from, path, slots));
    for (const Member& given : from.members()) {
      const auto slot = std::ranges::find(slots, given.key, [](const Slot& known) { return known.member->name; });
      if (slot == slots.end() && type.given != nullptr) continue;
      if (slot == slots.end()) return unknown(given.key, slots, path);
      const MemberInfo& member = *slot->member;
      void* target = at(slot->base, member.offset);
      if (member.optional != nullptr) target = member.optional->emplace(target);
      RHEA_CHECK(read(*member.type, target, given.value, path.member(given.key)));
      slot->seen = true;
    }
    for (const Slot& slot : slots) {
      if (!slot.seen && slot.member->optional == nullptr) return missing(*slot.member, path);
    }
    if (type.given != nullptr) type.given->keep(to, from);
    return success();
  }

  static Error missing(const MemberInfo& member, const Path& path) {
    const std::string where = path.member(member.name).render();
    return Error(fmt::format("the member '{}' is missing; it must be {}", where, expectedBy(*member.type)))
        .where(where)
        .expected(expectedBy(*member.type));
  }

  static Error unknown(std::string_view key, const std::vector<Slot>& slots, const Path& path) {
    std::vector<std::string_view> known;
    for (const Slot& slot : slots) {
      if (!slot.seen) known.push_back(slot.member->name);
    }
    Ranked names = ranked(key, known);
    const std::string advised = slots.empty() ? "; no members are taken here" : advice(names);
    return Error(fmt::format("unknown member '{}'{}", path.member(key).render(), advised))
        .where(path.member(key).render())
        .candidates(std::move(names.names));
  }

  Spelling spelling_;
};

}  // namespace

Result<void> readInto(const TypeInfo& type, void* to, View from, const Path& path, Spelling spelling) {
  return Reader(spelling).read(type, to, from, path);
}

}  // namespace rhea::json
