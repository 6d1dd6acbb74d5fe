// Finding out what an image is before it is opened: what kind of file, and by its first bytes, what format.
#pragma once

#include "block/core/driver-info.h"

namespace rhea::block {

struct ImageLook {
  bool blockDevice = false;
  std::vector<std::byte> head;  // the first 2 KiB, where they were asked for and could be read
};

// Blocking. Nothing is an error here: opening for use comes after it, and says better what is wrong.
ImageLook lookAtImage(const std::string& path, bool wantsHead);

// The driver that is surest of the bytes; raw where none is.
std::string_view probeFormat(const DriverRegistry& drivers, std::span<const std::byte> head, std::string_view name);

}  // namespace rhea::block
