// Sizes as people type them, "512", "10G", "1.5T", "0x1000", "4KiB", and as they read them, "3.1 MiB".
#pragma once

#include "emu/base/base.h"

namespace rhea {

// What a number without a unit counts.
enum class SizeUnit : std::uint8_t { kByte, kMiB };

// Bytes. Units are binary: k M G T P E in either case, optionally followed by "B" or "iB", or "B" alone for bytes; a
// fraction needs a unit and must come out as whole bytes after rounding down. Errors: not a number, an unknown unit, a
// sign, more than 2^64 - 1 bytes.
Result<std::uint64_t> parseSize(std::string_view text, SizeUnit bare = SizeUnit::kByte);

// Three significant digits in the largest binary unit that keeps the number below 1000: "512 B", "3.1 MiB", "10 GiB".
std::string formatSize(std::uint64_t bytes);

// The shortest text that parseSize() reads back as exactly this: "10G", "1536K" or "1000".
std::string exactSize(std::uint64_t bytes);

}  // namespace rhea
