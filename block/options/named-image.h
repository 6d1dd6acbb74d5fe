// Images that are given by a name alone: a backing file in another image's header, an argument of a tool.
#pragma once

#include "block/core/driver-info.h"

namespace rhea::block {

struct NamedImage {
  explicit NamedImage(std::string fileName, std::string itsFormat = {})
      : name(std::move(fileName)), format(std::move(itsFormat)) {}
  std::string name;    // as parseFileName() takes it
  std::string format;  // empty: found out by the first bytes; "protocol" or a protocol's name: the file as it is
};

// `name` as it is meant in the image `from`: a relative path starts from the image's folder.
std::string nameFrom(std::string_view from, std::string_view name);

// The node to open for it. Looks at the file, off the loop; whether it can be opened is not said. Errors: the name's.
Task<Result<NodeOptions>> optionsOfImage(NamedImage image, const DriverRegistry& drivers);

}  // namespace rhea::block
