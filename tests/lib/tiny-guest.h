// tinyGuest(): an ELF file with a PVH entry whose whole code is given as bytes: 32-bit, at kTinyGuestEntry, flat
// segments.
#pragma once

#include <string>
#include <string_view>

namespace rhea::test {

constexpr unsigned kTinyGuestEntry = 0x200000;

std::string tinyGuest(std::string_view code);

}  // namespace rhea::test
