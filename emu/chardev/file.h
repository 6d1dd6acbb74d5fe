// Back ends on host files: file (also by descriptor set), and pipe.
#pragma once

#include "emu/base/base.h"
#include "emu/chardev/chardev.h"
#include "emu/chardev/options.h"
#include "emu/chardev/outlet.h"
#include "emu/io/fd-sets.h"

namespace rhea::chardev {

// What is written goes to `out`, which is made where it does not exist; `in` is read once, from its beginning.
Task<Result<std::unique_ptr<Backend>>> openFile(Outlet& outlet, FdSets& fdSets, FileOptions options);
// Two FIFOs PATH.in and PATH.out, or one FIFO or device PATH for both.
Task<Result<std::unique_ptr<Backend>>> openPipe(Outlet& outlet, PipeOptions options);

// A file to write to, made where it is not there; also "/dev/fdset/N". Blocks.
Result<Fd> openForWriting(const FdSets& fdSets, const std::string& path, bool append);

}  // namespace rhea::chardev
