// Reading schema files: the shape of each entry, told with file, line and path where it is wrong.
#pragma once

#include "qapi/gen/schema.h"

namespace rhea::gen {

// Reads the files and orders them by what they use. Entries, members and values whose condition is off are left out.
Schema load(const std::vector<std::string>& names, const Config& config, Complaints& complaints);

// The macros of a config.h that are defined as 0 or 1.
Config readConfig(const std::string& name, Complaints& complaints);

// "block_resize device:drive [-f:force] size:size" into words and arguments.
HumanForm parseForm(std::string_view form, const Place& place, Complaints& complaints);

}  // namespace rhea::gen
