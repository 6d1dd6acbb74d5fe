#include "block/core/permissions.h"

namespace rhea::block {

std::vector<std::string_view> Permissions::names() const {
  static constexpr std::array<std::pair<Permissions, std::string_view>, 4> kNames = {{
      {consistentRead(), "consistent-read"},
      {write(), "write"},
      {writeUnchanged(), "write-unchanged"},
      {resize(), "resize"},
  }};
  std::vector<std::string_view> names;
  for (const auto& [permission, name] : kNames) {
    if (has(permission)) names.push_back(name);
  }
  return names;
}

}  // namespace rhea::block
