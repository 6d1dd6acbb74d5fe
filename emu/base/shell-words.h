// Command lines as a shell reads them: quoting for what is shown to be pasted, splitting for what is typed.
#pragma once

#include "emu/base/base.h"

namespace rhea {

// The word as a POSIX shell takes it back: itself where it needs nothing, else in single quotes.
std::string shellQuote(std::string_view word);
std::string shellQuote(std::span<const std::string> words);  // with blanks between

// Words separated by blanks; 'literal', "with \" and \\ escaped", and \x outside of quotes. No variables, no patterns.
// Errors: a quote that is not closed, a backslash at the end; each says where it began.
Result<std::vector<std::string>> splitShellWords(std::string_view line);

}  // namespace rhea
