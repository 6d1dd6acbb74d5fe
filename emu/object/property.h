// Property: one named value of a class of objects, declared once, from which qom-list, qom-get, qom-set, object-add,
// -object, help and introspection all read.
//
//   const Property kProperties[] = {
//       property<&IoThread::pollMaxNs, &IoThread::setPollMaxNs>("poll-max-ns", Settable::kAnyTime, "0", "how long
//       ..."), property<&IoThread::threadId>("thread-id", "the kernel's number for the thread"),
//   };
#pragma once

#include "emu/base/base.h"
#include "emu/base/json.h"

namespace rhea::object {

class Object;

enum class Settable : std::uint8_t { kNever, kAtCreation, kAnyTime };

// Where a value comes from: JSON has types; key=value has text only, which the property's type then reads.
enum class ValueForm : std::uint8_t { kTyped, kText };

// An amount of bytes: text may have a suffix, "64k", "10G".
struct Size {
  std::uint64_t bytes = 0;
};

struct Property {
  std::string_view name;
  std::string_view type;  // as clients know it: "bool", "int", "str", "size", an enum's name, a struct's name
  Settable settable;
  std::string_view initial;  // the value when it is not given, as JSON; empty where there is none
  std::string_view doc;      // one line
  Result<json::Text> (*get)(const Object& object);                        // null: it cannot be read back (secrets)
  Result<void> (*set)(Object& object, json::View value, ValueForm form);  // null: kNever
};

namespace detail {

// Reading and writing one value; the error says what was expected and what was found.
Result<bool> readValue(json::View value, ValueForm form, std::type_identity<bool>);
Result<std::int64_t> readValue(json::View value, ValueForm form, std::type_identity<std::int64_t>);
Result<std::string> readValue(json::View value, ValueForm form, std::type_identity<std::string>);
Result<Size> readValue(json::View value, ValueForm form, std::type_identity<Size>);

json::Text writeValue(bool value);
json::Text writeValue(std::int64_t value);
json::Text writeValue(const std::string& value);
json::Text writeValue(Size value);

template <class T>
constexpr std::string_view typeName() {
  if constexpr (std::is_same_v<T, bool>) {
    return "bool";
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    return "int";
  } else if constexpr (std::is_same_v<T, Size>) {
    return "size";
  } else {
    static_assert(std::is_same_v<T, std::string>);
    return "str";
  }
}

template <class>
struct Getter;
template <class Class, class T>
struct Getter<T (Class::*)() const> {
  using Owner = Class;
  using Value = T;
};
template <class>
struct Setter;
template <class Class, class T>
struct Setter<Result<void> (Class::*)(T)> {
  using Owner = Class;
  using Value = T;
};

template <auto get>
Result<json::Text> getThrough(const Object& object) {
  using Owner = typename Getter<decltype(get)>::Owner;
  return writeValue((static_cast<const Owner&>(object).*get)());
}

template <auto set>
Result<void> setThrough(Object& object, json::View value, ValueForm form) {
  using Owner = typename Setter<decltype(set)>::Owner;
  using Value = typename Setter<decltype(set)>::Value;
  RHEA_TRY(Value read, readValue(value, form, std::type_identity<Value>()));
  return (static_cast<Owner&>(object).*set)(std::move(read));
}

}  // namespace detail

// A property that can be read and set.
template <auto get, auto set>
constexpr Property property(std::string_view name, Settable settable, std::string_view initial, std::string_view doc) {
  using Value = typename detail::Getter<decltype(get)>::Value;
  static_assert(std::is_same_v<Value, typename detail::Setter<decltype(set)>::Value>);
  return {name, detail::typeName<Value>(), settable, initial, doc, &detail::getThrough<get>, &detail::setThrough<set>};
}

// A property that can only be read.
template <auto get>
constexpr Property property(std::string_view name, std::string_view doc) {
  using Value = typename detail::Getter<decltype(get)>::Value;
  return {name, detail::typeName<Value>(), Settable::kNever, {}, doc, &detail::getThrough<get>, nullptr};
}

// A property that can be given at creation and is never told to anyone.
template <auto set>
constexpr Property secretProperty(std::string_view name, std::string_view doc) {
  using Value = typename detail::Setter<decltype(set)>::Value;
  return {name, detail::typeName<Value>(), Settable::kAtCreation, {}, doc, nullptr, &detail::setThrough<set>};
}

}  // namespace rhea::object
