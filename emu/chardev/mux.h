// Mux: several front ends on one chardev. All of them may write, one has the keyboard; Ctrl-A and a key steers.
#pragma once

#include "emu/base/base.h"
#include "emu/chardev/chardev.h"
#include "emu/chardev/table.h"

namespace rhea::chardev {

// On top of `base`; `actions` is read when a key asks for it, and outlives the mux. Error: somebody else uses `base`.
Result<std::unique_ptr<Backend>> makeMux(Chardev& base, const MuxActions& actions);

}  // namespace rhea::chardev
