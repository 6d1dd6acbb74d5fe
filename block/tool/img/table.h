// The table of rhea-img's subcommands.
#pragma once

#include "block/tool/img/command.h"

namespace rhea::block {

std::span<const ImgCommand> imgCommands();
std::vector<std::string> imgCommandNames();
// Error: the nearest names.
Result<const ImgCommand*> findImgCommand(std::string_view name);
// Every synopsis, and the formats.
std::string imgHelp();
// The subcommands' section of rhea-img(1), and the completion of bash.
std::string imgManual();
std::string imgCompletion();

}  // namespace rhea::block
