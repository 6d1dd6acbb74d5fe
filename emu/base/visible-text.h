// Text for a person's terminal: names in it may come from an image or a client, and must not be commands to the
// terminal.
#pragma once

#include "emu/base/base.h"

namespace rhea {

// Length of the well-formed UTF-8 sequence at the start of `text` (Unicode 15, table 3-7), 0 where there is none.
std::size_t utf8Length(std::string_view text);

// Control characters (C0 but line feed and tab, DEL, C1) and bytes that are no UTF-8 are spelt \xNN, byte by byte.
// `colours`: sequences that choose colours (ESC [ digits and semicolons m) stay.
std::string visible(std::string_view text, bool colours = false);

}  // namespace rhea
