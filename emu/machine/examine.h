// The classic format of x, xp and print: /COUNT FORMAT SIZE before an expression: "/8xg $rsp".
#pragma once

#include "emu/base/base.h"

namespace rhea::machine {

struct ExamineFormat {
  static constexpr unsigned kMostItems = 65536;

  unsigned count = 1;
  char form = 'x';    // x, d, u, o, c, i
  unsigned size = 4;  // bytes of an item: 1, 2, 4, 8
};

// Takes the format off the front of `text`, where there is one. Errors: what a format looks like.
Result<ExamineFormat> takeFormat(std::string_view& text, ExamineFormat initial);
// One number: "0x0000002a", "42", "'*'".
std::string formatItem(std::uint64_t value, const ExamineFormat& format);
// Items in lines of 16 bytes, each with its address. `digits` is how many an address has.
std::string formatItems(std::span<const std::byte> bytes, std::uint64_t address, const ExamineFormat& format,
                        int digits);

}  // namespace rhea::machine
