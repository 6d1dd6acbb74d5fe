// Property: one named value of a class of objects, declared once, from which qom-list, qom-get, qom-set, object-add,
// -object, help and introspection all read.
//
//   const Property kProperties[] = {
//       property<&IoThread::pollMaxNs, &IoThread::setPollMaxNs>("poll-max-ns", Settable::kAnyTime, "0", "how long
//       ..."), property<&IoThread::threadId>("thread-id", "the kernel's number for the thread"),
//   };
#pragma once

#include "emu/base/base.h"
#include "emu/base/json-type.h"

namespace rhea::object {

class Object;

enum class Settable : std::uint8_t { kReadOnly, kAtCreation, kAnyTime };

// An amount of bytes; where people type it, it may have a unit: "64k", "10G".
struct Size {
  std::uint64_t bytes = 0;
};

struct Property {
  std::string_view name;
  std::string_view type;  // as clients know it: "bool", "int", "str", "size", an enum's name, a struct's name
  Settable settable;
  std::string_view initial;  // the value when it is not given, as JSON; empty where there is none
  std::string_view doc;      // one line
  Result<json::Text> (*get)(const Object& object);  // null: it cannot be read back (secrets)
  Result<void> (*set)(Object& object, json::View value, const json::Path& path,
                      json::Spelling spelling);  // null: kReadOnly
};

namespace detail {

// The error says what was expected and what was found.
template <class T>
Result<T> readValue(json::View value, const json::Path& path, json::Spelling spelling) {
  return json::readJson<T>(value, path, spelling);
}
template <>
Result<Size> readValue<Size>(json::View value, const json::Path& path, json::Spelling spelling);

template <class T>
json::Text writeValue(const T& value) {
  return json::toText(value);
}
template <>
json::Text writeValue<Size>(const Size& value);

template <class T>
std::string_view typeName() {
  if constexpr (std::is_same_v<T, bool>) {
    return "bool";
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    return "int";
  } else if constexpr (std::is_same_v<T, Size>) {
    return "size";
  } else if constexpr (std::is_same_v<T, std::string>) {
    return "str";
  } else {
    return json::TypeOf<T>::kInfo.name;  // an enum or struct of the schema
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
Result<void> setThrough(Object& object, json::View value, const json::Path& path, json::Spelling spelling) {
  using Owner = typename Setter<decltype(set)>::Owner;
  using Value = typename Setter<decltype(set)>::Value;
  RHEA_TRY(Value read, readValue<Value>(value, path, spelling));
  Result<void> done = (static_cast<Owner&>(object).*set)(std::move(read));
  return done.ok() ? success() : done.takeError().context(path.render()).where(path.render());
}

// What a chain of pointers to data members leads to, from an object on: &Device::options_, &Options::serial.
template <class Part, class Whole>
Whole ownerOf(Part Whole::*);
template <auto first>
using OwnerOf = decltype(ownerOf(first));

template <class Owner>
auto& reach(Owner& owner) {
  return owner;
}
template <class Owner, class Member, class... Rest>
auto& reach(Owner& owner, Member member, Rest... rest) {
  return reach(owner.*member, rest...);
}
template <auto first, auto... rest>
using Reached = std::remove_cvref_t<decltype(reach(std::declval<OwnerOf<first>&>(), first, rest...))>;

template <auto first, auto... rest>
Result<json::Text> getField(const Object& object) {
  return writeValue(reach(static_cast<const OwnerOf<first>&>(object), first, rest...));
}

template <auto first, auto... rest>
Result<void> setField(Object& object, json::View value, const json::Path& path, json::Spelling spelling) {
  using Value = Reached<first, rest...>;
  RHEA_TRY(Value read, readValue<Value>(value, path, spelling));
  reach(static_cast<OwnerOf<first>&>(object), first, rest...) = std::move(read);
  return success();
}

}  // namespace detail

// A property that is a data member, given at creation and checked as a whole by complete(). Members of members are
// named by the way to them: field<&VirtioBlkPci::options_, &BlkOptions::serial>(...).
template <auto first, auto... rest>
Property field(std::string_view name, std::string_view initial, std::string_view doc) {
  return {name,
          detail::typeName<detail::Reached<first, rest...>>(),
          Settable::kAtCreation,
          initial,
          doc,
          &detail::getField<first, rest...>,
          &detail::setField<first, rest...>};
}

// A property that can be read and set.
template <auto get, auto set>
Property property(std::string_view name, Settable settable, std::string_view initial, std::string_view doc) {
  using Value = typename detail::Getter<decltype(get)>::Value;
  static_assert(std::is_same_v<Value, typename detail::Setter<decltype(set)>::Value>);
  return {name, detail::typeName<Value>(), settable, initial, doc, &detail::getThrough<get>, &detail::setThrough<set>};
}

// A property that can only be read.
template <auto get>
Property property(std::string_view name, std::string_view doc) {
  using Value = typename detail::Getter<decltype(get)>::Value;
  return {name, detail::typeName<Value>(), Settable::kReadOnly, {}, doc, &detail::getThrough<get>, nullptr};
}

// A property that can be given at creation and is never told to anyone.
template <auto set>
Property secretProperty(std::string_view name, std::string_view doc) {
  using Value = typename detail::Setter<decltype(set)>::Value;
  return {name, detail::typeName<Value>(), Settable::kAtCreation, {}, doc, nullptr, &detail::setThrough<set>};
}

}  // namespace rhea::object
