// Base64 (RFC 4648, section 4): bytes as text that JSON and files can carry.
#pragma once

#include "emu/base/base.h"

namespace rhea {

// With padding, on one line.
std::string encodeBase64(std::string_view bytes);
// White space between is skipped. Error: the place of what does not belong.
Result<std::string> decodeBase64(std::string_view text);

}  // namespace rhea
