// One object of a schema file, read member by member; complains about what is missing, of a wrong type, or unknown.
#pragma once

#include "qapi/gen/schema.h"

namespace rhea::gen {

class Fields {
 public:
  Fields(json::View object, Place place, Complaints& complaints)
      : object_(object), place_(std::move(place)), complaints_(complaints) {
    place_.offset = object.offset();
    if (!object.isObject()) complain(fmt::format("expected an object, found {}", json::describe(object.kind())));
  }
  // Complains about members that nobody asked for.
  ~Fields();
  Fields(const Fields&) = delete;
  Fields& operator=(const Fields&) = delete;

  std::string text(std::string_view key);          // must be there and not be empty
  std::string optionalText(std::string_view key);  // empty where it is not there
  bool flag(std::string_view key);
  std::int64_t number(std::string_view key);
  std::vector<std::string> texts(std::string_view key);
  std::optional<json::View> find(std::string_view key);
  bool has(std::string_view key) { return find(key).has_value(); }
  // Says of members read elsewhere that they are known.
  void know(std::initializer_list<std::string_view> keys) { known_.insert(known_.end(), keys); }

  // The place of a member, with its path.
  Place at(std::string_view key) const;
  const Place& place() const { return place_; }
  Complaints& complaints() const { return complaints_; }
  void complain(std::string message) const { complaints_.add(place_, std::move(message)); }

 private:
  json::View object_;
  Place place_;
  Complaints& complaints_;
  std::vector<std::string_view> known_;
};

// A place one step further: "data" + "size" is "data.size".
Place below(const Place& place, std::string_view step, std::size_t offset);

}  // namespace rhea::gen
