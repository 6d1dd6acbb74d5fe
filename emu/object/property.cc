#include "emu/object/property.h"

namespace rhea::object::detail {

template <>
Result<Size> readValue<Size>(json::View value, const json::Path& path, json::Spelling spelling) {
  Size size;
  RHEA_CHECK(json::readInto(json::kSizeInfo, &size.bytes, value, path, spelling));
  return size;
}

template <>
json::Text writeValue<Size>(const Size& value) {
  return std::to_string(value.bytes);
}

}  // namespace rhea::object::detail
