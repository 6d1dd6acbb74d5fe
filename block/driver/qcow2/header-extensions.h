// The header extensions of a qcow2 image, between the fixed fields and the backing file's name.
#pragma once

#include "block/driver/qcow2/header.h"

namespace rhea::block::qcow2 {

// Reads them from `head`, from `start` on, into the header's fields; `head` ends where they must end. Errors: one that
// goes beyond the end, a known one of a length that cannot be.
Result<void> readExtensions(std::span<const std::byte> head, std::size_t start, Header& header);

// Behind the fixed fields. Whether the feature names are written too: they are the first to go where room is short.
std::vector<std::byte> writeExtensions(const Header& header, bool withNames);

// Up to the first NUL: that is where other readers of the format end.
std::string textOf(std::span<const std::byte> bytes);

}  // namespace rhea::block::qcow2
