// Back ends that people type at: the standard streams, and a pseudo terminal.
#pragma once

#include "emu/base/base.h"
#include "emu/chardev/chardev.h"
#include "emu/chardev/options.h"
#include "emu/chardev/outlet.h"

namespace rhea::chardev {

// Standard input and output. The terminal's settings are put back when the back end goes.
Result<std::unique_ptr<Backend>> openStdio(Outlet& outlet, const StdioOptions& options);
// A new pseudo terminal; a conversation lasts while somebody has it open.
Result<std::unique_ptr<Backend>> openPty(Outlet& outlet);

}  // namespace rhea::chardev
