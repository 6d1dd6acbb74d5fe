// Sizes as people type them: "512", "10G", "1.5T", "0x1000", "4KiB".
#pragma once

#include "emu/base/base.h"

namespace rhea {

// What a number without a unit counts.
enum class SizeUnit : std::uint8_t { kByte, kMiB };

// Bytes. Units are binary: k M G T P E in either case, optionally followed by "B" or "iB", or "B" alone for bytes; a
// fraction needs a unit and must come out as whole bytes after rounding down. Errors: not a number, an unknown unit, a
// sign, more than 2^64 - 1 bytes.
Result<std::uint64_t> parseSize(std::string_view text, SizeUnit bare = SizeUnit::kByte);

}  // namespace rhea
