// Fields: the plain members of a device's state, listed once for both ways.
//
//   static constexpr auto kState = migrate::fields(migrate::Field("rate", &Mouse::rate_), ...);
//   migrate::saveFields(to, *this, kState);
//   RHEA_CHECK(migrate::loadFields(from, *this, kState));
#pragma once

#include "emu/migrate/state.h"

namespace rhea::migrate {

template <class Owner, class T>
struct Field {
  constexpr Field(std::string_view called, T Owner::*where) : name(called), member(where) {}
  std::string_view name;
  T Owner::*member;
};

template <class... Fields>
constexpr std::tuple<Fields...> fields(Fields... each) {
  return {each...};
}

template <class Owner, class... Fields>
void saveFields(StateWriter& to, const Owner& owner, const std::tuple<Fields...>& list) {
  std::apply([&](const auto&... each) { (to.put(each.name, owner.*each.member), ...); }, list);
}

// Error: that of the first field that cannot be read.
template <class Owner, class... Fields>
Result<void> loadFields(StateReader& from, Owner& owner, const std::tuple<Fields...>& list) {
  Result<void> outcome = success();
  const auto load = [&](const auto& each) {
    if (outcome.ok()) outcome = from.get(each.name, owner.*each.member);
  };
  std::apply([&](const auto&... each) { (load(each), ...); }, list);
  return outcome;
}

}  // namespace rhea::migrate
