// Arguments: from the words of the command line and the files that they name to one CommandLine, and the answers to
// those who only ask.
#pragma once

#include "emu/base/base.h"
#include "emu/object/class.h"
#include "emu/object/command-line.h"

namespace rhea {

// Reads --config and -readconfig files where they are named; what the words say replaces what the files say.
Result<object::CommandLine> readArguments(std::span<const OptionInfo> table, std::span<const std::string_view> words);

// What -help, -version, --dump-config and `help` as a value print; nothing where the program is to run.
std::optional<std::string> answerQuestions(const object::CommandLine& line, const object::ClassTable& classes);

}  // namespace rhea
