// Identity: who the machine is, as -name and -uuid told. A service; set before anything runs.
#pragma once

#include "emu/base/base.h"

namespace rhea::machine {

struct Identity {
  std::string name;                                           // empty: none
  std::string uuid = "00000000-0000-0000-0000-000000000000";  // in its usual form, lower case
};

// "550E8400-e29b-41d4-a716-446655440000" in lower case. Error: the form that is expected.
Result<std::string> readUuid(std::string_view text);

}  // namespace rhea::machine
