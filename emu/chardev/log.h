// logfile= of a chardev: what its users write is written to a file too, whatever the back end is and whether anybody
// is connected to it.
#pragma once

#include "emu/chardev/chardev.h"
#include "emu/chardev/outlet.h"
#include "emu/io/fd-sets.h"

namespace rhea::chardev {

// Puts a log around `backend`. Error: the file cannot be opened. A file that fails or hangs later loses the log and
// stops nobody.
Task<Result<std::unique_ptr<Backend>>> addLog(Outlet& outlet, FdSets& fdSets, LogOptions options,
                                              std::unique_ptr<Backend> backend);

}  // namespace rhea::chardev
