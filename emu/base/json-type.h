// Typed JSON: C++ structs described by tables, read from and written to JSON by one walker.
//
// The generator (qapi/gen) makes the structs and one TypeInfo for each of them; a table costs a few words per member
// where straight code would cost a function per type. Nobody else needs to look inside a TypeInfo, except to walk
// JSON by its type (redaction of secrets, completion of keys).
#pragma once

#include "emu/base/json-path.h"
#include "emu/base/json-writer.h"

namespace rhea::json {

struct TypeInfo;

// A value on the heap, for types that contain themselves. Copies are deep; a moved-from or default-made box reads as a
// default-made T and makes it on the first write.
template <class T>
class Box {
 public:
  Box() = default;
  Box(T value) : held_(std::make_unique<T>(std::move(value))) {}  // NOLINT: implicit on purpose
  Box(const Box& other) : held_(other.held_ ? std::make_unique<T>(*other.held_) : nullptr) {}
  Box(Box&&) noexcept = default;
  Box& operator=(Box other) noexcept {
    held_.swap(other.held_);
    return *this;
  }
  ~Box() = default;

  T& operator*() {
    if (!held_) held_ = std::make_unique<T>();
    return *held_;
  }
  const T& operator*() const {
    static const T kDefault{};
    return held_ ? *held_ : kDefault;
  }
  T* operator->() { return &**this; }
  const T* operator->() const { return &**this; }

 private:
  std::unique_ptr<T> held_;
};

// The branch of a union that has no members of its own.
struct Empty {};

enum class TypeKind : std::uint8_t {
  kStr,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kSize,  // uint64_t, in bytes; with a unit where it is typed by people
  kNumber,
  kBool,
  kNull,
  kAny,
  kEnum,
  kList,
  kBox,
  kStruct,
  kUnion,
  kAlternate,
};

struct OptionalOps {
  const void* (*get)(const void* optional);  // null where it holds nothing
  void* (*emplace)(void* optional);
};
struct ListOps {
  std::size_t (*size)(const void* list);
  const void* (*at)(const void* list, std::size_t index);
  void* (*append)(void* list);
};
struct BoxOps {
  const void* (*get)(const void* box);
  void* (*make)(void* box);
};
struct GivenOps {
  void (*keep)(void* structure, View object);
};
struct VariantOps {
  std::size_t (*index)(const void* variant);
  const void* (*get)(const void* variant);
  void* (*emplace)(void* variant, std::size_t index);
};

struct MemberInfo {
  std::string_view name;
  const TypeInfo* type;
  std::uint32_t offset;         // in the struct
  bool secret;                  // not to be logged
  const OptionalOps* optional;  // null: must be given
};

// A union's branch (one row per value of the discriminator) or an alternate's.
struct BranchInfo {
  const TypeInfo* type;  // null: no members of its own
  std::uint32_t index;   // in the std::variant
};

struct TypeInfo {
  TypeKind kind;
  std::string_view name;                          // as in the schema
  std::span<const MemberInfo> members = {};       // struct: all with those of its base; union: the base's
  std::span<const std::string_view> values = {};  // enum: the names; C++ enums are uint16_t and count from 0
  std::span<const BranchInfo> branches = {};      // union: by the discriminator's value; alternate: any order
  const TypeInfo* element = nullptr;              // list, box
  const ListOps* list = nullptr;
  const BoxOps* box = nullptr;
  const VariantOps* variant = nullptr;  // union, alternate
  std::uint32_t variantOffset = 0;
  std::uint32_t discriminator = 0;  // index into members
  const GivenOps* given = nullptr;  // struct: takes members that are not listed, and keeps the whole object
};

// TypeOf<T>::kInfo is the table of T.
template <class T>
struct TypeOf {
  static const TypeInfo kInfo;
};

template <class T>
inline constexpr OptionalOps kOptionalOps{
    [](const void* optional) -> const void* {
      const auto& value = *static_cast<const std::optional<T>*>(optional);
      return value ? &*value : nullptr;
    },
    [](void* optional) -> void* { return &static_cast<std::optional<T>*>(optional)->emplace(); }};

// A plain bool that may be left out and is false then.
inline constexpr OptionalOps kFlagOps{
    [](const void* flag) -> const void* { return *static_cast<const bool*>(flag) ? flag : nullptr; },
    [](void* flag) -> void* { return flag; }};

template <class T>
inline constexpr ListOps kListOps{
    [](const void* list) { return static_cast<const std::vector<T>*>(list)->size(); },
    [](const void* list, std::size_t index) -> const void* {
      return &(*static_cast<const std::vector<T>*>(list))[index];
    },
    [](void* list) -> void* { return &static_cast<std::vector<T>*>(list)->emplace_back(); }};

template <class T>
inline constexpr BoxOps kBoxOps{[](const void* box) -> const void* { return &**static_cast<const Box<T>*>(box); },
                                [](void* box) -> void* { return &**static_cast<Box<T>*>(box); }};

template <class T>
inline constexpr GivenOps kGivenOps{
    [](void* structure, View object) { static_cast<T*>(structure)->given = Value(object); }};

namespace detail {

template <class Variant, std::size_t... kIndexes>
void* emplaceAt(void* to, std::size_t index, std::index_sequence<kIndexes...> /*all*/) {
  void* made = nullptr;
  auto& variant = *static_cast<Variant*>(to);
  ((index == kIndexes ? static_cast<void>(made = &variant.template emplace<kIndexes>()) : static_cast<void>(0)), ...);
  return made;
}

}  // namespace detail

template <class Variant>
inline constexpr VariantOps kVariantOps{
    [](const void* variant) { return static_cast<const Variant*>(variant)->index(); },
    [](const void* variant) {
      return std::visit([](const auto& held) -> const void* { return &held; }, *static_cast<const Variant*>(variant));
    },
    [](void* variant, std::size_t index) {
      return detail::emplaceAt<Variant>(variant, index, std::make_index_sequence<std::variant_size_v<Variant>>());
    }};

template <>
const TypeInfo TypeOf<std::string>::kInfo;
template <>
const TypeInfo TypeOf<std::int8_t>::kInfo;
template <>
const TypeInfo TypeOf<std::int16_t>::kInfo;
template <>
const TypeInfo TypeOf<std::int32_t>::kInfo;
template <>
const TypeInfo TypeOf<std::int64_t>::kInfo;
template <>
const TypeInfo TypeOf<std::uint8_t>::kInfo;
template <>
const TypeInfo TypeOf<std::uint16_t>::kInfo;
template <>
const TypeInfo TypeOf<std::uint32_t>::kInfo;
template <>
const TypeInfo TypeOf<std::uint64_t>::kInfo;
template <>
const TypeInfo TypeOf<double>::kInfo;
template <>
const TypeInfo TypeOf<bool>::kInfo;
template <>
const TypeInfo TypeOf<std::monostate>::kInfo;  // null
template <>
const TypeInfo TypeOf<Value>::kInfo;  // any
extern const TypeInfo kSizeInfo;      // uint64_t that counts bytes

template <class T>
struct TypeOf<std::vector<T>> {
  static constexpr TypeInfo kInfo{
      .kind = TypeKind::kList, .name = "list", .element = &TypeOf<T>::kInfo, .list = &kListOps<T>};
};
template <class T>
struct TypeOf<Box<T>> {
  static constexpr TypeInfo kInfo{
      .kind = TypeKind::kBox, .name = "box", .element = &TypeOf<T>::kInfo, .box = &kBoxOps<T>};
};

// How scalars are spelt: as JSON has them, or as text that a person typed behind '=' ("on", "10G", "0x20").
enum class Spelling : std::uint8_t { kJson, kKeyval };

// Reads into `to`, which is default-made. The first error is told with its path, what was expected and found, and the
// nearest names; `to` is then half filled.
Result<void> readInto(const TypeInfo& type, void* to, View from, const Path& path, Spelling spelling);
void writeFrom(const TypeInfo& type, const void* from, Writer& to);

template <class T>
Result<T> readJson(View from, const Path& path = {}, Spelling spelling = Spelling::kJson) {
  Result<T> result{T{}};
  if (Result<void> read = readInto(TypeOf<T>::kInfo, &*result, from, path, spelling); !read.ok()) {
    return read.takeError();
  }
  return result;
}

// Members that are not there are not written.
template <class T>
void writeJson(Writer& to, const T& value) {
  writeFrom(TypeOf<T>::kInfo, &value, to);
}

template <class T>
Text toText(const T& value) {
  Writer writer;
  writeJson(writer, value);
  return writer.take();
}

// The value written back with "(secret)" in the place of members that the type calls secret; what does not fit the type
// is left as it is, unless it is the value of such a member.
Text redacted(const TypeInfo& type, View value);

// Text of an enum's value, its value by name, all names.
template <class E>
requires std::is_enum_v<E> std::string_view enumName(E value) {
  return TypeOf<E>::kInfo.values[static_cast<std::size_t>(value)];
}
template <class E>
requires std::is_enum_v<E> std::optional<E> enumFromName(std::string_view name) {
  const auto values = TypeOf<E>::kInfo.values;
  const auto found = std::ranges::find(values, name);
  if (found == values.end()) return std::nullopt;
  return static_cast<E>(found - values.begin());
}

}  // namespace rhea::json

// What generated code and its users say without a prefix.
namespace rhea::qapi {

using json::Box;
using json::Empty;
using json::readJson;
using json::toText;
using json::writeJson;

template <class E>
requires std::is_enum_v<E> std::string_view toString(E value) { return json::enumName(value); }
template <class E>
requires std::is_enum_v<E> std::optional<E> fromString(std::string_view name) { return json::enumFromName<E>(name); }
// All names of the enum, in its order.
template <class E>
requires std::is_enum_v<E> std::span<const std::string_view> names() { return json::TypeOf<E>::kInfo.values; }

}  // namespace rhea::qapi
