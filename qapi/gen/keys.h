// The keys that key=value text may have, for completion: from an option's parameters or from a type.
#pragma once

#include "qapi/gen/schema.h"

namespace rhea::gen {

class Keys {
 public:
  struct Key {
    std::string name;                 // "cache.direct"
    std::vector<std::string> values;  // of an enum or a switch
  };

  // The option's parameters, then those of its type.
  void addOption(const Entry& option);
  // Members of a struct or union and of all its branches, those of nested objects with dots between, `depth` deep.
  void addType(const Entry& type, const std::string& prefix = "", int depth = 1);

  const std::vector<Key>& all() const { return keys_; }

 private:
  void add(std::string name, std::vector<std::string> values);
  void addMember(const Member& member, const std::string& name, int depth);

  std::vector<Key> keys_;
};

}  // namespace rhea::gen
