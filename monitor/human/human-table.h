// The human forms of this build, made of the generated rows once.
#pragma once

#include "monitor/human/form-table.h"

namespace rhea::monitor {

const FormTable& humanFormTable();

}  // namespace rhea::monitor
